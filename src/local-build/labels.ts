/** `--label`: labels that go before the Dockerfile's, without an entry in the history, as BuildKit has it. Pure. */
import { type BuiltImage, withManifest } from '../images/built-image.js';

export function withLabels(image: BuiltImage, labels: Readonly<Record<string, string>>): BuiltImage {
  if (Object.keys(labels).length === 0) return image;
  const { config } = image.document;
  const document = { ...image.document, config: { ...config, Labels: { ...config?.Labels, ...labels } } };
  const bytes = Buffer.from(JSON.stringify(document));
  return { ...image, ...withManifest({ ...image, config: bytes, document }, 'oci') };
}
