#!/bin/sh
# Measures the goals of performance and prints them as a table; `make bench` calls it. Arguments are passed on:
#   benches/run.sh                      everything, five rounds each (about half an hour)
#   benches/run.sh accept deliver       some goals
#   benches/run.sh size                 what a million waiting orders need and cost: only by name (ten minutes)
#   benches/run.sh --rounds 1 --scale 0.2   a quick look
# Needs redis-server, and node and npm for the comparison with fastify + BullMQ (left out where they are missing).
set -eu
cd "$(dirname "$0")/.."
command -v redis-server >/dev/null || { echo "redis-server is missing: install Redis 7 or newer" >&2; exit 2; }
exec cargo bench --bench relay -- "$@"
