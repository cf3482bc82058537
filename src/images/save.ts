/** An image of a registry as an archive that docker and every OCI tool can load. */
import { writeArchive, writtenTo } from './archive-writer.js';
import { bundleOf } from './bundle.js';
import type { ExportableImage } from './exportable.js';
import { dockerManifestFile, fullNames, indexFile, LAYOUT_FILE, layoutEntries } from './layout-files.js';
import { familyOf } from './open-image.js';

/** As it is: manifest, config and blobs keep their bytes, and so their digests. `dest` may be `-`. */
export async function saveImage(
  image: ExportableImage,
  name: string,
  dest: string,
  stdout: NodeJS.WritableStream,
  signal: AbortSignal,
): Promise<void> {
  const names = /@/.test(name) ? [] : fullNames([name]);
  const bundle = bundleOf([image], familyOf(image));
  const files = [
    { path: 'index.json', bytes: indexFile(layoutEntries(bundle, names)) },
    { path: 'manifest.json', bytes: dockerManifestFile(image.image, names) },
    { path: 'oci-layout', bytes: LAYOUT_FILE },
  ];
  await writtenTo(dest, stdout, (stream) => writeArchive(bundle.blobs, files, stream, signal));
}
