/** Names that STOPSIGNAL takes: Linux's signals, with or without SIG, in any case. */

const NAMES = new Set(
  (
    'ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP ' +
    'TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX'
  ).split(' '),
);

export function isSignal(text: string): boolean {
  if (/^\d+$/.test(text)) return Number(text) >= 1 && Number(text) <= 64;
  const name = text.toUpperCase().replace(/^SIG/, '');
  const realtime = /^RT(MIN\+|MAX-)(\d{1,2})$/.exec(name);
  // SIGRTMIN is 34, SIGRTMAX 64; Docker names 15 after the first and 14 before the last.
  if (realtime !== null)
    return Number(realtime[2]) >= 1 && Number(realtime[2]) <= (realtime[1] === 'MIN+' ? 15 : 14);
  return NAMES.has(name);
}
