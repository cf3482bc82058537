FROM debian:bookworm-slim
SHELL ["/bin/bash", "-Eeuo", "pipefail", "-c"]
RUN rm -f /etc/apt/apt.conf.d/docker-clean; echo 'Binary::apt::APT::Keep-Downloaded-Packages "true";' > /etc/apt/apt.conf.d/keep-cache
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
  --mount=type=cache,target=/var/lib/apt,sharing=locked \
  apt update && apt-get --no-install-recommends install -y gcc
COPY <<EOF /etc/motd
Welcome to ${NAME:-this machine}
EOF
RUN <<"EOF"
#!/usr/bin/env python3
print("no ${expansion}")
EOF
