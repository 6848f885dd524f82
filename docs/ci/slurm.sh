#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# A campaign as a Slurm array job, one shard a task: `sbatch --wait docs/ci/slurm.sh`, then
# `pmusim merge shard-* -o all`.
#SBATCH --job-name=pmusim
#SBATCH --array=0-3
#SBATCH --output=shard-%a.log
set -u
"${PMUSIM:-pmusim}" fuzz --scheduler "${SCHEDULER:-v12}" --seed "${SEED:-0}" \
  --strategy "${STRATEGY:-coverage}" --max-execs "${MAX_EXECS:-100000}" \
  --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" --output "shard-$SLURM_ARRAY_TASK_ID" --quiet
status=$?
# A finding is a result, no failure of the task.
[ "$status" -eq 1 ] && status=0
exit "$status"
