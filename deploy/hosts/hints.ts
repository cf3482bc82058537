/** What to do when a host cannot be reached, by what ssh, TLS or the socket said. Pure. */
const RULES: readonly { readonly words: RegExp; readonly hint: string }[] = [
  {
    words: /Permission denied \(/,
    hint: 'put the line of `slipway hosts:key` into ~/.ssh/authorized_keys of that user there',
  },
  {
    words: /Host key verification failed|IDENTIFICATION HAS CHANGED/,
    hint: 'it shows another host key than the one that was confirmed; if it was installed anew, remove the host and add it again',
  },
  {
    words: /remote port forwarding failed/,
    hint: 'the port of its loopback that pulls go through is taken, maybe by a connection that was cut: sshd lets go of it after ClientAliveInterval (slipway hosts:prepare sets that)',
  },
  {
    words: /administratively prohibited/,
    hint: 'its sshd forbids forwarding: allow AllowTcpForwarding and AllowStreamLocalForwarding for that user',
  },
  {
    words: /open failed: connect failed/,
    hint: 'no engine listens on that socket there, or that user may not use it: usermod -aG docker USER; slipway hosts:prepare installs one',
  },
  {
    words: /HTTP request to an HTTPS server/,
    hint: 'it wants TLS: give --tls-ca, --tls-cert and --tls-key',
  },
  {
    words: /alert|socket hang up|ECONNRESET/i,
    hint: 'it does not accept the connection: does it want TLS, and is the client certificate signed by its CA?',
  },
  {
    words: /certificate|self.signed|altname|wrong version number/i,
    hint: 'the engine is not the one that the CA vouches for: check --tls-ca, the names in its certificate, and that it speaks TLS there',
  },
  {
    words: /ECONNREFUSED|ENOENT|Connection refused/,
    hint: 'nothing listens there: is the Docker Engine running?',
  },
  {
    words: /no connection within|timed out|EHOSTUNREACH|ENETUNREACH|No route to host|unreachable/i,
    hint: 'is the machine on, is the address right, and does no firewall stand in between?',
  },
  { words: /does not resolve|Could not resolve|ENOTFOUND|EAI_AGAIN/, hint: 'check the name in its address' },
];

export function hintFor(words: string): string | undefined {
  return RULES.find((rule) => rule.words.test(words))?.hint;
}
