/**
 * What a step leaves in its network. All of its processes are gone, and it may change no route, address or setting: left are
 * the counters, and what packets make (connections in TIME_WAIT, neighbours, metrics), which never come without
 * counting. So a network whose counters are as before is as it was when it was made.
 */
import { lookIntoNetwork } from '../../../native/index.js';
import { isErrno } from '../../errors.js';

const FILES = ['dev', 'snmp', 'snmp6', 'netstat', 'sockstat', 'sockstat6', 'unix', 'packet'];

/** Comparable text. */
export async function networkTraces(namespace: string): Promise<string> {
  const texts = await lookIntoNetwork({ namespace, files: FILES });
  return comparable(texts.join('\n'));
}

/**
 * Pure: without the counts of sockstat that are of the whole machine, whatever namespace asks, and without its sum of all
 * sockets: it has those of the programs that made the network, which may take a moment to end.
 */
export function comparable(text: string): string {
  return text
    .replace(/^sockets: used \d+$/gm, '')
    .replace(/^(TCP: inuse \d+) orphan \d+ (tw \d+) alloc \d+ mem \d+$/gm, '$1 $2')
    .replace(/^(UDP: inuse \d+) mem \d+$/gm, '$1');
}

/** No interface gets an address by itself, and none speaks before it is spoken to. */
export async function quietIpv6(namespace: string): Promise<void> {
  const settings = ['all', 'default'].map((name) => [`ipv6/conf/${name}/disable_ipv6`, '1'] as const);
  await lookIntoNetwork({ namespace, settings }).catch((error) => {
    if (!isErrno(error, 'ENOENT')) throw error; // a kernel without IPv6
  });
}
