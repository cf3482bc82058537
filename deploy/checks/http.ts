/** A look by a request: status, headers and body of the answer. */
import { DEFAULT_STATUS, fitsStatus, type HttpCheck } from '../../src/model/check.js';
import { type Answer, probe } from '../probe.js';
import { addressOf, type Checked } from './checked.js';
import { excerpt } from './failures.js';
import type { Seen } from './in-a-row.js';

/** What is wanted of a body must be in so much of it. */
const BODY_BYTES = 1024 * 1024;

export async function lookByRequest(checked: Checked, check: HttpCheck, timeoutMs: number): Promise<Seen> {
  const { host, signal, redact, found } = checked;
  const { path, port = found.port, httpHeaders = [] } = check;
  const address = await addressOf(checked, port);
  if (address === undefined) return { isGood: false, what: 'the container has no address yet' };
  const headers = Object.fromEntries(httpHeaders.map(({ name, value }) => [name.toLowerCase(), value]));
  const seen = await probe(address, { host, path, headers, bodyBytes: BODY_BYTES, timeoutMs, signal });
  switch (seen.kind) {
    case 'answered':
      return judge(check, seen, redact);
    case 'other-protocol':
      return { isGood: false, what: `port ${port} does not speak HTTP` };
    case 'closed':
      return { isGood: false, what: `port ${port} closed the connection before it had answered` };
    case 'silent':
      return { isGood: false, what: `no whole answer in ${timeoutMs / 1000} s`, isLate: true };
    case 'unreachable':
      return { isGood: false, what: `nothing listens on port ${port} (${seen.why})` };
  }
}

function judge(
  { status = DEFAULT_STATUS, content, expectedHeaders = [] }: HttpCheck,
  { status: code, headers, body }: Answer,
  redact: (text: string) => string,
): Seen {
  const bad = (what: string): Seen => ({ isGood: false, what: `it answered ${code}${what}` });
  const said = excerpt(body, redact);
  if (!fitsStatus(code, status))
    return bad(`, not ${status.join(' or ')}${said === '' ? '' : `, and said: ${said}`}`);
  for (const { name, value } of expectedHeaders) {
    const found = headers[name.toLowerCase()];
    const all = found === undefined ? [] : [found].flat();
    if (all.length === 0) return bad(` without the header ${name}`);
    if (value !== undefined && !all.some((one) => one.trim() === value.trim()))
      return bad(`, with the header ${name}: ${excerpt(all.join(', '), redact)}, not ${value}`);
  }
  if (content !== undefined && !body.includes(content))
    return bad(` without ${JSON.stringify(content)} in its body: ${said === '' ? 'it is empty' : said}`);
  return { isGood: true, what: `answered ${code}` };
}
