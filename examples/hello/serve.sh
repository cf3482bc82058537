#!/bin/sh
# The first process of a container gets no default action for SIGTERM: without the trap, stopping would take the whole
# grace period.
httpd -f -p "${PORT:-8080}" -h /srv &
trap 'kill $!' TERM INT
wait
