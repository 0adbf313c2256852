#!/usr/bin/env bash
# down.sh DIR: ends the cluster of up.sh DIR, and whatever its tasks have left.
dir=$(readlink -f "$1")
export SLURM_CONF="$dir/slurm.conf"
timeout 5 scancel --user="$(id -un)" 2> /dev/null

alive() { [ -d "/proc/$1" ] && ! grep -q '^State:.Z' "/proc/$1/status" 2> /dev/null; }
# The daemons by their pid files, and every process that was told of this cluster: tasks of a node that a test has killed.
daemons() { cat "$dir"/slurmd.*.pid "$dir/slurmctld.pid" "$dir/munge/pid" 2> /dev/null; }
tasks() {
  for process in /proc/[0-9]*; do
    pid=${process#/proc/}
    [ "$pid" != "$$" ] && [ "$pid" != "$PPID" ] || continue
    tr '\0' '\n' 2> /dev/null < "$process/environ" | grep -qxF "SLURM_CONF=$SLURM_CONF" && echo "$pid"
  done
}
pids=$(daemons)
kill $pids 2> /dev/null
for ((tries = 0; tries < 100; tries++)); do
  left=
  for pid in $pids; do alive "$pid" && left+=" $pid"; done
  [ -n "$left" ] || break
  sleep 0.1
done
kill -9 $left $(tasks) 2> /dev/null
exit 0
