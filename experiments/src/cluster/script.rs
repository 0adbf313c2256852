//! What a task of Slurm runs: the program once, a signal handed on to it, and the same task again where that helps.

use std::path::Path;

use super::{Part, quoted};
use crate::sweep::Sweep;

/// The script of a part, for the sweep in `folder`. Its argument is the bundle of task 0: a cluster may not number tasks as far as
/// there are bundles.
pub(super) fn of(sweep: &Sweep, folder: &Path, part: Part, program: &Path) -> String {
    let engine = &sweep.spec.engine;
    let (work, task) = match part {
        // The last tables may take a while to be seen here, on a network file system.
        Part::Merge => (
            "for pause in 5 20 60 0; do\n  attempt merge \"$run\"; code=$?\n  \
             { [ \"$code\" = 4 ] && [ -z \"$asked\" ]; } || break\n  sleep \"$pause\"\ndone"
                .to_owned(),
            "$SLURM_JOB_ID",
        ),
        // The array's number with the task's: the number of the job alone may stand for the whole array.
        _ => (
            format!("attempt shard \"$run\" --stage {part} --bundle $((${{1:-0}} + SLURM_ARRAY_TASK_ID)); code=$?"),
            "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}",
        ),
    };
    // The last three may hold any word.
    WRAPPER
        .replace("@VERSION@", env!("CARGO_PKG_VERSION"))
        .replace("@RETRIES@", &engine.retries.to_string())
        .replace("@TASK@", task)
        .replace("@WORK@", &work)
        .replacen("@RUN@", &quoted(&folder.to_string_lossy()), 1)
        .replacen("@PROGRAM@", &quoted(&program.to_string_lossy()), 1)
        .replacen("@PROLOGUE@", engine.slurm.prologue.trim_end(), 1)
}

const WRAPPER: &str = r#"#!/bin/bash
# Written by babelscope @VERSION@; submitting again writes it anew.
asked=
task=
# Slurm signals this shell and the program must know: it stops at the next batch and leaves with 75.
hand_on() { asked+=1; [ -z "$task" ] || kill -TERM "$task" 2>/dev/null; }
trap hand_on TERM USR1

attempt() {
  [ -z "$asked" ] || return 75
  "$program" "$@" &
  task=$!
  [ -z "$asked" ] || kill -TERM "$task" 2>/dev/null
  # A signal ends the wait and not the program.
  while :; do
    asked_before=$asked
    wait "$task"
    code=$?
    [ "$asked" != "$asked_before" ] || return "$code"
  done
}

run=@RUN@
# [engine.slurm] prologue:
@PROLOGUE@
program=@PROGRAM@
program=${BABELSCOPE:-$program}
# The processors of this task and not those of the node.
[ -z "$SLURM_CPUS_ON_NODE" ] || export RAYON_NUM_THREADS="${RAYON_NUM_THREADS:-$SLURM_CPUS_ON_NODE}"

@WORK@

# 75: stopped on request. From 128: killed, by a lack of memory for instance. What was whole is kept, so the same again helps.
# Everything else would end the same way; and a task that was cancelled is no longer running in Slurm's books, and not wanted.
wanted() { [ "$(squeue --noheader --jobs="@TASK@" --format=%T)" = RUNNING ]; }
if { [ "$code" = 75 ] || [ "$code" -ge 128 ]; } && [ "${SLURM_RESTART_COUNT:-0}" -lt @RETRIES@ ] && wanted; then
  echo "exit $code: again, after ${SLURM_RESTART_COUNT:-0} of @RETRIES@ retries" >&2
  # Slurm ends this attempt itself.
  scontrol requeue "@TASK@" && exec sleep 60
fi
exit "$code"
"#;
