/** Where the registry keeps what belongs to an app: its images with the cache that its builders share, and what its volumes held. */

const IMAGES = 'apps';
const VOLUMES = 'volumes';

/** The app's repository in the platform's registry. */
export function imageRepository(app: string): string {
  return `${IMAGES}/${app}`;
}

/** Where the backups of one of its volumes are. */
export function backupRepository(app: string, volume: string): string {
  return `${VOLUMES}/${app}/${volume}`;
}

/** True for a repository that is some app's. */
export function belongsToAnApp(repository: string): boolean {
  return [IMAGES, VOLUMES].some((room) => repository === room || repository.startsWith(`${room}/`));
}
