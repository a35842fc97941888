# SPDX-License-Identifier: LGPL-2.1-or-later
# machines: 3
# seconds: 240
# shellcheck shell=bash
# Half a minute of chaos, another one each time; a longer one is `tests/sandbox chaos`. SEED=N repeats a schedule.
# shellcheck source=/dev/null
source "$SANDBOX_LIB"

seed=${SEED:-$RANDOM$RANDOM}
threshold=$((seed % 2 ? 64 : 16)) # snapshots are written and installed all the time
echo "seed $seed, a snapshot every $threshold entries"
exec python3 "$(dirname "${BASH_SOURCE[0]}")/swarm.d/chaos.py" --seconds 30 --seed "$seed" --machines 3 --threshold "$threshold" \
    --log "${SWARM_SANDBOX_LOCKED:-$TMPDIR}/log"
