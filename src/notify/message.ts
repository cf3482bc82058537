/** What is said of a deployment, for programs and for a chat. Pure. */
import { createHmac } from 'node:crypto';
import type { Deployment } from '../model/deployment.js';
import type { NotificationEvent, NotificationFormat } from '../model/notification.js';

export interface Facts {
  readonly event: NotificationEvent | 'test';
  readonly app: string;
  /** Absent in a test. */
  readonly deployment?: Deployment;
  /** Where people look at the app, and at the build. */
  readonly links: { readonly app: string; readonly build?: string };
  /** ms since the epoch. */
  readonly at: number;
}

export function messageBody(format: NotificationFormat, facts: Facts): string {
  return JSON.stringify(format === 'slack' ? { text: sentence(facts) } : document(facts));
}

function document({ event, app, deployment, links, at }: Facts): object {
  const more = deployment === undefined ? {} : documentOf(deployment);
  return {
    type: event,
    timestamp: new Date(at).toISOString(),
    data: { app, ...more, links },
  };
}

function documentOf({
  id,
  kind,
  state,
  who,
  push,
  release,
  reason,
  code,
  acceptedAt,
  endedAt,
}: Deployment): object {
  return {
    deployment: id,
    kind,
    state,
    who,
    ...(push === undefined ? {} : { commit: push.newOid }),
    ...(release === undefined ? {} : { release: `v${release}` }),
    ...(reason === undefined ? {} : { reason }),
    ...(code === undefined ? {} : { code }),
    acceptedAt: new Date(acceptedAt).toISOString(),
    ...(endedAt === undefined ? {} : { endedAt: new Date(endedAt).toISOString() }),
  };
}

const MARKS: Readonly<Record<string, string>> = {
  live: ':white_check_mark:',
  built: ':package:',
  failed: ':x:',
  cancelled: ':no_entry_sign:',
  superseded: ':fast_forward:',
};

/** In the markup of Slack, which Mattermost and others take as well. */
function sentence({ app, deployment, links }: Facts): string {
  const name = `<${links.app}|${escaped(app)}>`;
  if (deployment === undefined) return `This is a test of ${name}'s notifications.`;
  const { kind, state, who, push, release, reason, id } = deployment;
  const what = kind === 'push' ? `deploy of ${push?.newOid.slice(0, 7)}` : kind;
  const version = release === undefined ? '' : ` v${release}`;
  const why = reason === undefined ? '' : `: ${escaped(reason)}`;
  const build = links.build === undefined ? id : `<${links.build}|${id}>`;
  return `${MARKS[state] ?? ':hourglass:'} ${name}${version} ${state}${why} (${what} by ${escaped(who)}, ${build})`;
}

/** Slack's three (api.slack.com, "Formatting text"): nothing of a user's becomes a mention or a link. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** As Standard Webhooks 1.0 has it, so that its libraries check it: over id, time and body, with the bytes behind `whsec_`. */
export function signatureHeaders(
  secret: string,
  id: string,
  at: number,
  body: string,
): Record<string, string> {
  const seconds = String(Math.floor(at / 1000));
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const mac = createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': seconds, 'webhook-signature': `v1,${mac}` };
}
