/** What becomes of one proposed ref update, and how the proc-receive hook reports it (githooks(5), "proc-receive"). Pure. */
export interface RefUpdate {
  readonly ref: string;
  /** 40 zeros: the client saw no such ref. */
  readonly oldOid: string;
  /** 40 zeros: the client wants it deleted. */
  readonly newOid: string;
}

export interface Accepted {
  readonly ref: string;
  readonly ok: true;
  /**
   * Another ref got the commit, not the one that was pushed to: the client shows that one and leaves its
   * remote-tracking branch where it was.
   */
  readonly instead?: { readonly ref: string; readonly oid: string };
}

export interface Refused {
  readonly ref: string;
  readonly ok: false;
  readonly reason: string;
}

export type Verdict = Accepted | Refused;

export function refuse(ref: string, reason: string): Refused {
  return { ref, ok: false, reason };
}

/** The lines for git. A reason becomes one line of at most 300 characters. */
export function reportLines(verdict: Verdict): string[] {
  if (!verdict.ok) return [`ng ${verdict.ref} ${oneLine(verdict.reason)}`];
  if (verdict.instead === undefined) return [`ok ${verdict.ref}`];
  return [
    `ok ${verdict.ref}`,
    `option refname ${verdict.instead.ref}`,
    `option old-oid ${'0'.repeat(40)}`,
    `option new-oid ${verdict.instead.oid}`,
  ];
}

function oneLine(text: string): string {
  const line = text.replace(/[\p{Cc}\s]+/gu, ' ').trim();
  if (line === '') return 'refused';
  return line.length <= 300 ? line : `${line.slice(0, 299)}…`;
}
