/**
 * What `hosts:prepare` has the host's own shell do, as root. Fixed texts: nothing that anybody typed is in them. Each may be run as
 * often as one likes, and says what it did. Pure.
 */

/** Lines that begin so are for us, not for people. */
export const FACT = 'slipway-fact: ';

const BEGIN = `set -eu
PATH=$PATH:/usr/sbin:/sbin
say() { echo "-----> $*"; }
fail() { echo " !     $*"; exit 1; }
has_systemd() { [ -d /run/systemd/system ] && command -v systemctl >/dev/null; }
answers() { docker version >/dev/null 2>&1; }
wait_for_engine() {
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
    if answers; then return 0; fi
    sleep 1
  done
  return 1
}
start_engine() {
  if has_systemd; then systemctl start docker || true; else service docker start >/dev/null 2>&1 || true; fi
}
# Without systemd: the restart of Debian's init script leaves an engine running that it has not started itself.
restart_engine() {
  if has_systemd; then systemctl restart docker || true; return; fi
  pid=$(cat /var/run/docker.pid 2>/dev/null || true)
  service docker stop >/dev/null 2>&1 || true
  if [ -n "$pid" ]; then
    kill "$pid" 2>/dev/null || true
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
      kill -0 "$pid" 2>/dev/null || break
      sleep 1
    done
  fi
  start_engine
}
take_settings_back() {
  if [ -e /etc/docker/daemon.json.before ]; then
    mv /etc/docker/daemon.json.before /etc/docker/daemon.json
  else
    rm -f /etc/docker/daemon.json
  fi
}
`;

/** Installs the engine when there is none, and has sshd notice soon when a connection has gone. */
export const INSTALL: string = `${BEGIN}
[ "$(id -u)" = 0 ] || fail 'this needs root: use ssh://root@HOST'
[ -r /etc/os-release ] || fail 'this is neither Debian nor Ubuntu'
. /etc/os-release
case " \${ID:-} \${ID_LIKE:-} " in
  *' debian '* | *' ubuntu '*) say "\${PRETTY_NAME:-$ID}" ;;
  *) fail "this is \${PRETTY_NAME:-\${ID:-unknown}}, and only Debian and Ubuntu can be prepared: install a Docker Engine by hand" ;;
esac

if command -v dockerd >/dev/null; then
  say 'Docker Engine: there already'
  was_there=yes
else
  say 'Installing docker.io from the packages of this system'
  export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
  apt='apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0'
  $apt update </dev/null 2>&1 || fail 'the package lists could not be loaded: see above'
  $apt install --no-install-recommends docker.io ca-certificates iptables </dev/null 2>&1 ||
    fail 'docker.io could not be installed: see above'
  was_there=no
fi
if has_systemd; then
  systemctl is-enabled --quiet docker 2>/dev/null || { say 'Enabling docker at boot'; systemctl enable --quiet docker; }
fi
answers || {
  say 'Starting docker'
  start_engine
}
wait_for_engine || fail 'the Docker Engine does not start: journalctl -u docker says why'

keepalive=/etc/ssh/sshd_config.d/50-slipway.conf
if [ -d /etc/ssh/sshd_config.d ] && [ ! -e "$keepalive" ]; then
  say 'Having sshd give up connections that are silent for 45 s'
  printf '# By slipway hosts:prepare: a connection that was cut lets go of its ports.\\nClientAliveInterval 15\\nClientAliveCountMax 3\\n' >"$keepalive"
  if sshd -t 2>/dev/null; then
    if has_systemd; then systemctl reload ssh 2>/dev/null || true; fi
  else
    rm -f "$keepalive"
    say 'sshd does not take that setting; it stays as it was'
  fi
fi

echo "${FACT}was-there=$was_there"
echo "${FACT}swarm=$(docker info --format '{{.Swarm.LocalNodeState}}' 2>/dev/null || echo unknown)"
`;

/** As a remote command; exit code 1 when there is no such file. */
export const READ_SETTINGS = 'cat /etc/docker/daemon.json';

/** As a remote command; the new file comes by stdin, whole or not at all, and the one before is kept. */
export const WRITE_SETTINGS: string =
  'umask 022 && mkdir -p /etc/docker && cat >/etc/docker/daemon.json.slipway && ' +
  '{ [ ! -e /etc/docker/daemon.json ] || cp -p /etc/docker/daemon.json /etc/docker/daemon.json.before; } && ' +
  'mv /etc/docker/daemon.json.slipway /etc/docker/daemon.json';

/** For an engine that was just installed: nothing runs yet. */
export const RESTART: string = `${BEGIN}
say 'Restarting docker with its new settings'
restart_engine
wait_for_engine || {
  take_settings_back
  restart_engine
  fail 'the Docker Engine did not start with the new /etc/docker/daemon.json; the one before is back'
}
`;

/** For an engine that may run something: live-restore is taken over at once, the rest at its next start. */
export const RELOAD: string = `${BEGIN}
say 'Having docker read its new settings; what runs goes on (log limits count from its next start)'
if has_systemd; then systemctl reload docker || true; else kill -HUP "$(cat /var/run/docker.pid)" 2>/dev/null || true; fi
wait_for_engine || {
  take_settings_back
  fail 'the Docker Engine does not answer any more; the former /etc/docker/daemon.json is back'
}
`;
