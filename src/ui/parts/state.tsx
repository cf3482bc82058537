/** A state as a word with a dot of its colour; the word alone says it all. */
import type { JSX } from 'preact';

type Tone = 'good' | 'bad' | 'busy' | 'warn' | 'idle';

const TONES: Readonly<Record<string, Tone>> = {
  // apps
  up: 'good',
  'deploy failed': 'bad',
  'not all running': 'bad',
  deploying: 'busy',
  stopped: 'idle',
  'not deployed': 'idle',
  // deployments
  live: 'good',
  built: 'good',
  failed: 'bad',
  accepted: 'busy',
  building: 'busy',
  ready: 'busy',
  releasing: 'busy',
  cancelled: 'idle',
  superseded: 'idle',
  // releases
  pending: 'busy',
  'was live': 'idle',
  // containers and hosts
  running: 'good',
  healthy: 'good',
  starting: 'busy',
  created: 'busy',
  unhealthy: 'bad',
  restarting: 'bad',
  exited: 'bad',
  dead: 'bad',
  'not answering': 'bad',
  cordoned: 'warn',
};

export function State({ is }: { readonly is: string }): JSX.Element {
  return <span class={`state ${TONES[is] ?? 'idle'}`}>{is}</span>;
}
