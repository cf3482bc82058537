/**
 * Names of users and groups to numbers, by the files of the step's own root: USER (Docker's rules), WORKDIR and --chown.
 * passwd(5), group(5).
 */
import { SlipwayError } from '../../errors.js';
import type { ReadFile } from './rootfs.js';
import type { StepUser } from './step.js';

interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/**
 * The user of a RUN. `user` is what USER says: empty, `user`, `user:group`, each a name or a number. Two numbers are
 * taken as they are, without supplementary groups. Throws `step_failed` for an unknown name.
 */
export async function resolveUser(read: ReadFile, user: string): Promise<StepUser> {
  const { owner, group } = split(user === '' ? '0' : user, 'USER');
  const uid = parseId(owner);
  const gid = group === undefined ? undefined : parseId(group);
  if (uid !== undefined && gid !== undefined) return { uid, gid, additionalGids: [] };

  const entry = (await readPasswd(read)).find((line) =>
    uid === undefined ? line.name === owner : line.uid === uid,
  );
  if (uid === undefined && entry === undefined) throw unknown('user', owner, '/etc/passwd', 'USER');
  const groups = await readGroups(read);
  if (group !== undefined) {
    const named = gid ?? groups.find((line) => line.name === group)?.gid;
    if (named === undefined) throw unknown('group', group, '/etc/group', 'USER');
    return { uid: uid ?? entry?.uid ?? 0, gid: named, additionalGids: [] };
  }
  return {
    uid: uid ?? entry?.uid ?? 0,
    gid: entry?.gid ?? 0,
    additionalGids:
      entry === undefined
        ? []
        : groups.filter((line) => line.members.includes(entry.name)).map((line) => line.gid),
  };
}

/** What HOME is where nobody sets it: the user's own, or `/` for one that has none. runc sets it so; crun only for a known user. */
export async function resolveHome(read: ReadFile, { uid }: Pick<StepUser, 'uid'>): Promise<string> {
  return (await readPasswd(read)).find((line) => line.uid === uid)?.home || '/';
}

/**
 * The owner of the directories that WORKDIR makes, by what USER says. It asks less than a RUN does, as in Docker: a
 * number alone is the group too, and a name that nobody knows is root, because only a RUN needs to be that user.
 */
export async function resolveWorkdirOwner(
  read: ReadFile,
  user: string,
): Promise<{ uid: number; gid: number }> {
  const colon = user.indexOf(':');
  const [owner, group] = colon < 0 ? [user, ''] : [user.slice(0, colon), user.slice(colon + 1)];
  const number = owner === 'root' ? 0 : parseId(owner);
  const entry =
    number === undefined && owner !== ''
      ? (await readPasswd(read)).find((line) => line.name === owner)
      : undefined;
  const uid = number ?? entry?.uid ?? 0;
  const primary = number ?? entry?.gid ?? 0;
  if (group === '') return { uid, gid: primary };
  const gid = group === 'root' ? 0 : parseId(group);
  if (gid !== undefined) return { uid, gid };
  return { uid, gid: (await readGroups(read)).find((line) => line.name === group)?.gid ?? primary };
}

/**
 * The owner that `--chown=user[:group]` asks for. A number alone is the group too; a name alone brings its primary
 * group; an empty group is the same as none. Throws `step_failed` for an unknown name, as Docker
 * documents it.
 */
export async function resolveChown(read: ReadFile, chown: string): Promise<{ uid: number; gid: number }> {
  const { owner, group } = split(chown, '--chown');
  const number = owner === 'root' ? 0 : parseId(owner);
  let uid = number;
  let primary = number;
  if (uid === undefined) {
    const entry = (await readPasswd(read)).find((line) => line.name === owner);
    if (entry === undefined) throw unknown('user', owner, '/etc/passwd', '--chown');
    uid = entry.uid;
    primary = entry.gid;
  }
  if (group === undefined) return { uid, gid: primary ?? uid };
  const gid = group === 'root' ? 0 : parseId(group);
  if (gid !== undefined) return { uid, gid };
  const named = (await readGroups(read)).find((line) => line.name === group);
  if (named === undefined) throw unknown('group', group, '/etc/group', '--chown');
  return { uid, gid: named.gid };
}

function split(text: string, where: string): { owner: string; group: string | undefined } {
  const [owner = '', group, ...rest] = text.split(':');
  if (owner === '' || rest.length > 0) {
    throw new SlipwayError('step_failed', `${JSON.stringify(text.slice(0, 100))} is not a user`, {
      where,
      hint: 'write user, user:group, or numbers',
    });
  }
  return { owner, group: group === '' ? undefined : group };
}

/** Numbers as the kernel has them; 2^32-1 means "no change" to chown(2) and is none. */
function parseId(text: string): number | undefined {
  const id = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  return id < 2 ** 32 - 1 ? id : undefined;
}

async function readPasswd(read: ReadFile): Promise<PasswdEntry[]> {
  return (await readLines(read, '/etc/passwd')).flatMap(([name, , uid, gid, , home = '']) => {
    const ids = { uid: parseId(uid ?? ''), gid: parseId(gid ?? '') };
    return name && ids.uid !== undefined && ids.gid !== undefined
      ? [{ name, uid: ids.uid, gid: ids.gid, home }]
      : [];
  });
}

async function readGroups(read: ReadFile): Promise<GroupEntry[]> {
  return (await readLines(read, '/etc/group')).flatMap(([name, , id, members]) => {
    const gid = parseId(id ?? '');
    return name && gid !== undefined
      ? [{ name, gid, members: (members ?? '').split(',').filter(Boolean) }]
      : [];
  });
}

async function readLines(read: ReadFile, path: string): Promise<string[][]> {
  const text = (await read(path))?.toString('utf8') ?? '';
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(':'));
}

function unknown(kind: 'user' | 'group', name: string, file: string, where: string): SlipwayError {
  return new SlipwayError('step_failed', `unknown ${kind} ${JSON.stringify(name.slice(0, 100))}`, {
    where,
    hint: `the image's ${file} does not name it; create it in an earlier RUN, or use a number`,
  });
}
