#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# A campaign by GNU parallel, one shard a job. More arguments go to it: `docs/ci/parallel.sh --jobs 2`.
set -u
shards="${SHARDS:-4}"
pmusim="${PMUSIM:-pmusim}"
seq 0 "$((shards - 1))" | parallel "$@" \
  "$pmusim" fuzz --scheduler "${SCHEDULER:-v12}" --seed "${SEED:-0}" \
  --strategy "${STRATEGY:-coverage}" --max-execs "${MAX_EXECS:-100000}" \
  --shard "{}/$shards" --output "shard-{}" --quiet '>' 'shard-{}.log' ';' test '$?' -le 1 || exit 2
set --
for shard in $(seq 0 "$((shards - 1))"); do
  set -- "$@" "shard-$shard"
done
"$pmusim" merge "$@" --output all
