/**
 * Asks the deployer about running containers over its unix socket. The web process itself cannot reach a target host.
 * The deployer's side is deploy/serve.ts.
 */
import { type IncomingMessage, request } from 'node:http';
import { SlipwayError } from '../errors.js';

export interface ProcessView {
  readonly process: string;
  readonly release: number;
  readonly state: string;
  readonly health?: string;
  readonly host: string;
  readonly container: string;
  readonly startedAt?: string;
  readonly restarts: number;
}

const ANSWER_MS = 10_000;

export class DeployerClient {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /** The app's containers. Throws `unavailable` when no deployer answers. */
  async processes(app: string): Promise<readonly ProcessView[]> {
    const answer = await this.#get(`/apps/${app}/ps`);
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk as Buffer);
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as ProcessView[];
  }

  /** The app's output as text: the last `lines`, then, with `follow`, what comes. The caller destroys the stream. */
  async logs(
    app: string,
    options: { readonly lines: number; readonly follow: boolean },
  ): Promise<IncomingMessage> {
    return this.#get(`/apps/${app}/logs?lines=${options.lines}&follow=${options.follow ? '1' : '0'}`);
  }

  #get(path: string): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const fail = (cause: unknown): void =>
        reject(
          new SlipwayError('unavailable', 'the deployer does not answer', {
            hint: 'try again in a few seconds; the operator finds the reason in its log',
            temporary: true,
            cause,
          }),
        );
      const asked = request({ socketPath: this.#socketPath, path, timeout: ANSWER_MS }, (answer) => {
        // Only the first answer is bounded: a followed log may be silent for hours.
        asked.setTimeout(0);
        if (answer.statusCode === 200) resolve(answer);
        else void answerError(answer).then(reject, fail);
      });
      asked.on('timeout', () => asked.destroy(new Error('no answer in time')));
      asked.on('error', fail);
      asked.end();
    });
  }
}

async function answerError(answer: IncomingMessage): Promise<SlipwayError> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  const {
    code = 'unavailable',
    message = 'the deployer failed',
    hint,
  } = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Partial<
    Pick<SlipwayError, 'code' | 'message' | 'hint'>
  >;
  return new SlipwayError(code, message, hint === undefined ? {} : { hint });
}
