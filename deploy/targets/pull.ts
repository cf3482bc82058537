/** Pulling an image by digest through the engine (Engine API, POST /images/create). */
import type { Readable } from 'node:stream';
import type { RegistryConfig } from '../../src/config.js';
import { SlipwayError } from '../../src/errors.js';
import { type Engine, refusalOf, statusOf } from './engine.js';

/** A pull in which nothing moves for so long is given up. */
const IDLE_MS = 60_000;
const PULL_TIMEOUT_MS = 30 * 60_000;

/** Throws `image_not_found`, `disk_full`, `registry_denied`, `registry_unavailable` or `engine_unavailable`. */
export async function pullImage(
  engine: Engine,
  reference: string,
  registry: RegistryConfig,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { host } = registry;
  const idle = new AbortController();
  const timer = setTimeout(() => idle.abort(), IDLE_MS);
  try {
    const failure = await engine.call(
      `pull ${reference}`,
      async (api, callSignal) => {
        const [fromImage = '', tag = ''] = reference.split('@');
        const stream = await api.stream({
          method: 'POST',
          path: '/images/create',
          query: { fromImage, tag },
          headers: registryHeaders(registry),
          signal: AbortSignal.any([callSignal, idle.signal]),
        });
        return readProgress(stream, () => timer.refresh());
      },
      { signal, timeoutMs: PULL_TIMEOUT_MS },
    );
    if (failure !== undefined) throw explain(failure, reference, host);
  } catch (error) {
    if (idle.signal.aborted && !signal?.aborted) {
      throw new SlipwayError(
        'registry_unavailable',
        `the pull of ${reference} made no progress for ${IDLE_MS / 1000} s`,
        {
          where: host,
          temporary: true,
          cause: error,
        },
      );
    }
    throw statusOf(error) === undefined ? error : explain(refusalOf(error), reference, host);
  } finally {
    clearTimeout(timer);
  }
}

/** With which the engine, or each node of a Swarm, shows itself to the registry. */
export function registryHeaders({ host, username, password }: RegistryConfig): Record<string, string> {
  if (username === undefined || password === undefined) return {};
  return {
    'x-registry-auth': base64Url(JSON.stringify({ username, password, serveraddress: host })),
  };
}

/** RFC 4648, section 5, with the padding that the engine insists on. */
function base64Url(text: string): string {
  return Buffer.from(text).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}

/** The engine answers 200 and tells of a failure in the stream. Returns its words, or undefined. */
async function readProgress(stream: Readable, onProgress: () => void): Promise<string | undefined> {
  let rest = '';
  let failure: string | undefined;
  for await (const chunk of stream.setEncoding('utf8')) {
    onProgress();
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line.trim() === '') continue;
      const message = JSON.parse(line) as { error?: string };
      failure ??= message.error;
    }
  }
  return failure;
}

function explain(words: string, reference: string, host: string): SlipwayError {
  const message = `the Docker Engine cannot pull ${reference}: ${words}`;
  if (/not found|unknown/i.test(words)) {
    return new SlipwayError('image_not_found', message, { hint: 'push again to build the image anew' });
  }
  if (/no space left/i.test(words)) {
    return new SlipwayError('disk_full', message, {
      hint: 'free some space where the engine keeps its images (docker system df), then try again',
    });
  }
  if (/denied|unauthorized|authentication/i.test(words)) {
    return new SlipwayError('registry_denied', message, {
      hint: 'check SLIPWAY_REGISTRY_USERNAME and SLIPWAY_REGISTRY_PASSWORD',
    });
  }
  return new SlipwayError('registry_unavailable', message, {
    where: host,
    hint: 'check that the engine reaches the registry and trusts it',
    temporary: true,
  });
}
