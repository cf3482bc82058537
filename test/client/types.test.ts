/** The types of the client package are those of the routes. When a route changes: `npx vitest run test/client -u`. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { clientTypes } from '../../src/api/client-types.js';
import type { ApiDocument } from '../../src/api/openapi.js';
import { projectRoot } from '../../src/root.js';
import { Platform } from '../api/support/platform.js';

test('client/types.ts says what the document of the API says', async () => {
  const platform = await Platform.start();
  try {
    const document = (await platform.call('GET', '/v1/openapi.json')).body as ApiDocument;
    await expect(clientTypes(document)).toMatchFileSnapshot(join(projectRoot(), 'client', 'types.ts'));
  } finally {
    await platform.stop();
  }
});
