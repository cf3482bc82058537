/**
 * What GitHub, GitLab and Gitea send when somebody pushes there: whether it is theirs, and what it says. Forgejo speaks as Gitea.
 * A header is not signed, so nothing is taken from one that the body says as well. Pure.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { SlipwayError } from '../errors.js';
import type { Forge } from '../model/webhook.js';
import { oneLine } from '../one-line.js';

export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

export interface PushMessage {
  readonly kind: 'push';
  /** Without `refs/heads/`. */
  readonly branch: string;
  /** Undefined when the branch was deleted. */
  readonly commit?: string;
  readonly pusher: string;
  /** ms since the epoch, where the forge says it. */
  readonly pushedAt?: number;
}

export type Message =
  | PushMessage
  | { readonly kind: 'ping' }
  | { readonly kind: 'other'; readonly what: string };

interface Manner {
  readonly signature: string;
  readonly event: string;
  readonly push: string;
  readonly delivery: readonly string[];
}

const MANNERS: Readonly<Record<Forge, Manner>> = {
  github: {
    signature: 'x-hub-signature-256',
    event: 'x-github-event',
    push: 'push',
    delivery: ['x-github-delivery'],
  },
  gitlab: {
    signature: 'x-gitlab-token',
    event: 'x-gitlab-event',
    push: 'Push Hook',
    // The first stays the same when GitLab tries again.
    delivery: ['idempotency-key', 'x-gitlab-event-uuid'],
  },
  gitea: {
    signature: 'x-gitea-signature',
    event: 'x-gitea-event',
    push: 'push',
    delivery: ['x-gitea-delivery'],
  },
};

/** In a time that does not depend on how much of it is right. */
export function isSigned(forge: Forge, secret: string, headers: Headers, body: Uint8Array): boolean {
  const given = one(headers, MANNERS[forge].signature) ?? '';
  // GitLab sends the secret itself. What is compared are hashes of both, which have one length.
  if (forge === 'gitlab') return timingSafeEqual(digest(secret, given), digest(secret, secret));
  const expected = createHmac('sha256', secret).update(body).digest('hex');
  const wanted = forge === 'github' ? `sha256=${expected}` : expected;
  return timingSafeEqual(digest(secret, given), digest(secret, wanted));
}

/** What the forge calls this sending; the same for one that is repeated. */
export function deliveryOf(forge: Forge, headers: Headers): string | undefined {
  const found = MANNERS[forge].delivery.map((name) => one(headers, name)).find((id) => id !== undefined);
  return found === undefined ? undefined : oneLine(found, 100);
}

const name = z.string().catch('');
const push = z.object({
  ref: z.string(),
  after: z.string().regex(/^[0-9a-f]{40}$/, 'must be a commit id'),
  pusher: z.object({ name, login: name }).partial().catch({}).default({}),
  user_username: name,
  repository: z
    .object({ pushed_at: z.number().optional().catch(undefined) })
    .catch({})
    .default({}),
});

/** Throws `bad_request` for what is signed and still no message of this forge. */
export function parseMessage(forge: Forge, headers: Headers, body: Uint8Array): Message {
  const event = one(headers, MANNERS[forge].event);
  if (event === undefined)
    throw new SlipwayError('bad_request', `there is no header ${MANNERS[forge].event}`, {
      hint: `is the webhook that of ${forge}? slipway webhooks shows it`,
    });
  if (event === 'ping') return { kind: 'ping' };
  if (event !== MANNERS[forge].push) return { kind: 'other', what: oneLine(event, 60) };
  const parsed = push.safeParse(payloadOf(headers, body));
  if (!parsed.success)
    throw new SlipwayError(
      'bad_request',
      `the message is no push of ${forge}: ${z.prettifyError(parsed.error)}`,
    );
  const { ref, after, pusher, user_username, repository } = parsed.data;
  if (!ref.startsWith('refs/heads/')) return { kind: 'other', what: `push of ${oneLine(ref, 100)}` };
  const who = pusher.login || pusher.name || user_username || 'somebody';
  return {
    kind: 'push',
    branch: ref.slice('refs/heads/'.length),
    ...(/^0+$/.test(after) ? {} : { commit: after }),
    // It becomes the name of a commit's author.
    pusher: oneLine(who.replace(/[<>]/g, ''), 60),
    ...(repository.pushed_at === undefined ? {} : { pushedAt: repository.pushed_at * 1000 }),
  };
}

/** GitHub sends JSON, or, unless told otherwise, a form with the JSON as its field `payload`. */
function payloadOf(headers: Headers, body: Uint8Array): unknown {
  const text = Buffer.from(body).toString('utf8');
  const isForm = one(headers, 'content-type')?.startsWith('application/x-www-form-urlencoded') ?? false;
  try {
    return JSON.parse(isForm ? (new URLSearchParams(text).get('payload') ?? '') : text);
  } catch {
    throw new SlipwayError('bad_request', 'the body is not JSON', {
      hint: 'choose application/json as content type',
    });
  }
}

function one(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function digest(secret: string, text: string): Buffer {
  return createHmac('sha256', secret).update(text).digest();
}
