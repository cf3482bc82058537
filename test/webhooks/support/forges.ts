/** Messages as the forges send them, with real signatures. */
import { createHmac, randomUUID } from 'node:crypto';
import type { Forge } from '../../../src/model/webhook.js';

export interface Sending {
  readonly headers: Record<string, string>;
  readonly body: string;
}

export interface PushFields {
  readonly branch?: string;
  readonly commit: string;
  readonly delivery?: string;
  readonly pushedAt?: number;
  readonly ref?: string;
}

/** The forge's push event, signed with the secret. */
export function pushMessage(forge: Forge, secret: string, fields: PushFields): Sending {
  const { commit, branch = 'main', delivery = randomUUID(), pushedAt = Date.now() } = fields;
  const ref = fields.ref ?? `refs/heads/${branch}`;
  const common = { ref, before: '1'.repeat(40), after: commit };
  const bodies: Record<Forge, object> = {
    github: {
      ...common,
      repository: {
        full_name: 'acme/shop',
        clone_url: 'https://evil.example/x.git',
        pushed_at: Math.floor(pushedAt / 1000),
      },
      pusher: { name: 'octocat', email: 'octocat@example.com' },
      // Distinct messages differ, as GitHub's do in many fields.
      compare: `https://github.com/acme/shop/compare/${delivery}`,
    },
    gitlab: { ...common, object_kind: 'push', user_username: 'tanuki', project: { name: 'shop' } },
    gitea: { ...common, pusher: { login: 'teapot' }, compare_url: delivery },
  };
  return signed(forge, secret, 'push', JSON.stringify(bodies[forge]), delivery);
}

/** Any event. */
export function signed(
  forge: Forge,
  secret: string,
  event: string,
  body: string,
  delivery: string = randomUUID(),
): Sending {
  const mac = createHmac('sha256', secret).update(body).digest('hex');
  const headers: Record<Forge, Record<string, string>> = {
    github: {
      'x-github-event': event,
      'x-github-delivery': delivery,
      'x-hub-signature-256': `sha256=${mac}`,
    },
    gitlab: {
      'x-gitlab-event': event === 'push' ? 'Push Hook' : event,
      'idempotency-key': delivery,
      'x-gitlab-token': secret,
    },
    gitea: { 'x-gitea-event': event, 'x-gitea-delivery': delivery, 'x-gitea-signature': mac },
  };
  return { headers: { 'content-type': 'application/json', ...headers[forge] }, body };
}
