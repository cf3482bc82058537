/**
 * A finished image as a commit that builds it: a Dockerfile of one line. So an image from elsewhere goes the way of every push,
 * and its releases can be looked at, compared and rolled back to like all others.
 */
import { type AppRepositories, NO_OID } from './app-repository.js';
import { treeData, writeLoose } from './loose-objects.js';

export interface ImageCommit {
  /** As a person named it. */
  readonly name: string;
  /** With its digest: what is built. */
  readonly pinned: string;
  readonly who: string;
}

/** Writes the commit on top of the deploy branch; nothing names it yet. */
export async function writeImageCommit(
  repositories: Pick<AppRepositories, 'path' | 'branch'>,
  app: string,
  branch: string,
  { name, pinned, who }: ImageCommit,
): Promise<string> {
  const gitDir = repositories.path(app);
  const parent = (await repositories.branch(app, branch)) ?? NO_OID;
  const dockerfile = await writeLoose(gitDir, 'blob', Buffer.from(`# ${name}\nFROM ${pinned}\n`));
  const tree = await writeLoose(
    gitDir,
    'tree',
    treeData([{ mode: '100644', name: 'Dockerfile', oid: dockerfile }]),
  );
  const seconds = Math.floor(Date.now() / 1000);
  const by = `${who} <${who}> ${seconds} +0000`;
  const lines = [
    `tree ${tree}`,
    ...(parent === NO_OID ? [] : [`parent ${parent}`]),
    `author ${by}`,
    `committer ${by}`,
    '',
    `Deploy the image ${name}`,
    '',
  ];
  return writeLoose(gitDir, 'commit', Buffer.from(lines.join('\n')));
}
