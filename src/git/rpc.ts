/**
 * One `git receive-pack` or `git upload-pack` behind one HTTP request: bytes in, bytes out, both with backpressure, both
 * within limits, and nothing left running when either side goes away.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable, Writable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { SlipwayError } from '../errors.js';
import { cleanStderr, signalGroup, stopProcess } from './git.js';

export interface RpcLimits {
  /** Bytes of the request's body, unpacked. */
  readonly maxBodyBytes: number;
  /** A client that sends nothing for so many ms has gone. */
  readonly uploadIdleMs: number;
  /** A client, or git, that takes nothing for so many ms hangs. */
  readonly stallMs: number;
}

/** How the process ended, for the caller to clean up after. */
export interface RpcEnd {
  readonly wasCut: boolean;
}

const CUT_AFTER_MS = 5_000;

/**
 * Drives a process that was started `detached` (a process group of its own, so that git's helpers and the hook end with it).
 * Throws while there is still no answer; afterwards the connection is cut instead, since the status is out.
 */
export async function serveRpc(
  child: ChildProcess,
  request: IncomingMessage,
  response: ServerResponse,
  contentType: string,
  limits: RpcLimits,
): Promise<RpcEnd> {
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw new SlipwayError('internal', 'git was started without pipes');
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    if (stderr.length < 8192) stderr += chunk.toString('utf8');
  });
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.on('error', (error) => {
      stderr += error.message;
      resolve({ code: 127, signal: null });
    });
    child.on('close', (code, signal) => resolve({ code, signal }));
  });

  let failure: SlipwayError | undefined;
  let takeThreatBack = (): void => {};
  let isStopping = false;
  const stop = (error: SlipwayError): void => {
    failure ??= error;
    if (isStopping) return;
    isStopping = true;
    takeThreatBack = stopProcess(child, (name) => signalGroup(child, name));
  };
  const onClose = (): void => {
    if (!response.writableFinished) stop(new SlipwayError('unavailable', 'the client is gone'));
  };
  response.on('close', onClose);
  // A write that comes too late; the close tells all that matters.
  response.on('error', () => {});
  try {
    const body = unpacked(request);
    const sent = feed(body, stdin, limits).catch((error: SlipwayError) => {
      stop(error);
      // Time to read why, then no more is listened to.
      setTimeout(() => request.destroy(), CUT_AFTER_MS).unref();
    });
    await answer(stdout, response, contentType, limits.stallMs, () => isStopping).catch(stop);
    const { code, signal } = await exited;
    if (failure === undefined && (signal !== null || (code !== 0 && !response.headersSent))) {
      const words = cleanStderr(stderr) || (signal ?? `exit code ${code}`);
      failure = new SlipwayError('unavailable', `git ended early: ${words}`, { temporary: true });
    }
    if (failure !== undefined) {
      if (!response.headersSent) throw failure;
      // An orderly end of half an answer would leave `git push` waiting for the rest for ever (seen with 2.39).
      response.destroy();
    } else response.end();
    // What git does not want any more is let pass, or the client would not read the answer before its upload is done.
    await Promise.race([sent, once(response, 'close').catch(() => {})]);
    return { wasCut: failure !== undefined || signal !== null || code !== 0 };
  } finally {
    takeThreatBack();
    response.off('close', onClose);
    // It or its helpers, when this did not come to an orderly end; after one there is none, and the number may be another's.
    if (failure !== undefined || child.exitCode === null) signalGroup(child, 'SIGKILL');
  }
}

/** Clients pack small requests (gitprotocol-http(5) allows gzip). */
function unpacked(request: IncomingMessage): Readable {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding === 'identity') return request;
  if (encoding !== 'gzip' && encoding !== 'x-gzip') {
    throw new SlipwayError(
      'bad_request',
      `the content encoding ${JSON.stringify(encoding.slice(0, 40))} is not understood`,
      {
        hint: 'send it plain or as gzip',
      },
    );
  }
  const gunzip = createGunzip();
  request.on('error', (error) => gunzip.destroy(error));
  request.on('close', () => {
    if (!request.readableEnded) gunzip.destroy(new Error('the client is gone'));
  });
  return request.pipe(gunzip);
}

/** Resolves when the body is read to its end. Throws when it is too large, stands still, or breaks off. */
function feed(body: Readable, git: Writable, limits: RpcLimits): Promise<void> {
  return new Promise((resolve, reject) => {
    let received = 0;
    let takes = true;
    let timer: NodeJS.Timeout | undefined;
    const fail = (error: SlipwayError): void => {
      clearTimeout(timer);
      takes = false;
      // Not git.end(): git would take what it has for the whole and answer before it is stopped.
      reject(error);
    };
    const wait = (ms: number, error: () => SlipwayError): void => {
      clearTimeout(timer);
      timer = setTimeout(() => fail(error()), ms);
    };
    const waitForClient = (): void =>
      wait(
        limits.uploadIdleMs,
        () =>
          new SlipwayError('bad_request', `nothing came for ${limits.uploadIdleMs / 1000} s`, {
            hint: 'try again',
          }),
      );
    const goOn = (): void => {
      body.resume();
      waitForClient();
    };
    git.on('error', () => {});
    git.on('close', () => {
      takes = false;
      goOn();
    });
    body.on('data', (chunk: Buffer) => {
      waitForClient();
      received += chunk.length;
      if (received > limits.maxBodyBytes) {
        fail(
          new SlipwayError('too_large', `the upload is larger than ${limits.maxBodyBytes} bytes`, {
            hint: 'push less at once, or have the limit raised',
          }),
        );
      } else if (takes && !git.write(chunk)) {
        body.pause();
        wait(limits.stallMs, () => new SlipwayError('unavailable', 'git takes no more', { temporary: true }));
        git.once('drain', goOn);
      }
    });
    body.on('end', () => {
      clearTimeout(timer);
      git.end();
      resolve();
    });
    body.on('error', (error) =>
      fail(new SlipwayError('bad_request', `the request's body is damaged: ${error.message}`)),
    );
    body.on('close', () => {
      if (body.readableEnded) clearTimeout(timer);
      else fail(new SlipwayError('bad_request', 'the upload broke off'));
    });
    waitForClient();
  });
}

/** Passes git's output on. The status goes out with the first byte, so that an early failure can still have its own. */
async function answer(
  stdout: Readable,
  response: ServerResponse,
  contentType: string,
  stallMs: number,
  isStopping: () => boolean,
): Promise<void> {
  for await (const chunk of stdout) {
    if (response.destroyed) return;
    // The last words of a git that is being stopped are not its answer.
    if (isStopping()) continue;
    if (!response.headersSent) response.writeHead(200, { 'content-type': contentType, ...NO_CACHE });
    if (response.write(chunk)) continue;
    const stalled = AbortSignal.timeout(stallMs);
    await Promise.race([once(response, 'drain', { signal: stalled }), once(response, 'close')]).catch(() => {
      throw new SlipwayError('unavailable', 'the client takes no more');
    });
  }
}

/** As `git http-backend` sends them: no proxy may answer for a repository. */
export const NO_CACHE: Readonly<Record<string, string>> = {
  expires: 'Fri, 01 Jan 1980 00:00:00 GMT',
  pragma: 'no-cache',
  'cache-control': 'no-cache, max-age=0, must-revalidate',
};
