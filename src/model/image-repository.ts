/** Where the registry keeps what belongs to an app: its images, and the cache that its builders share. */

const ROOM = 'apps';

/** The app's repository in the platform's registry. */
export function imageRepository(app: string): string {
  return `${ROOM}/${app}`;
}

/** True for a repository that is some app's. */
export function belongsToAnApp(repository: string): boolean {
  return repository === ROOM || repository.startsWith(`${ROOM}/`);
}
