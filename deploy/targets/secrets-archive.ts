/** Files for /run/secrets as a tar archive, which is how an engine takes files. Readable by whatever user the image runs as. */
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';

export async function secretsArchive(files: ReadonlyMap<string, string>): Promise<Buffer> {
  const archive = pack();
  archive.entry({ name: 'run/secrets/', type: 'directory', mode: 0o755 });
  for (const [name, value] of files) archive.entry({ name: `run/secrets/${name}`, mode: 0o444 }, value);
  archive.finalize();
  return buffer(archive);
}
