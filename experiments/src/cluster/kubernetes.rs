//! The same bundles as indexed Jobs of Kubernetes: text to read, complete and apply. Nothing here talks to a cluster.

use std::collections::BTreeSet;

use anyhow::Result;

use super::{Needs, Part, base};
use crate::sweep::{Phase, Shard, Sweep};

/// Three Jobs, to be applied one after the other: Kubernetes knows no order among Jobs.
///
/// The run folder and the models lie on a volume that every pod mounts; image, volume and its place are the reader's to name.
///
/// # Errors
/// A model whose headers cannot be read.
pub fn manifests(sweep: &Sweep) -> Result<String> {
    // Names of Jobs are those of hosts.
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = base(sweep).chars().map(plain).collect();
    let name = name.trim_matches('-');
    let short = name.len().saturating_sub(50);
    let name = name.get(short..).unwrap_or(name).trim_matches('-').to_owned();
    let mut text = String::from(HEAD);
    for part in Part::ALL {
        let mine = |shard: &&Shard| part.phase() == Some(Phase::of(shard.stage));
        let bundles: BTreeSet<usize> = sweep.shards.iter().filter(mine).map(|shard| shard.bundle).collect();
        let all: Vec<usize> = bundles.into_iter().collect();
        let count = if part == Part::Merge { 1 } else { all.len() };
        if count == 0 {
            continue;
        }
        let needs = Needs::of(sweep, part, &all)?;
        let run = serde_json::to_string(&std::path::absolute(&sweep.folder)?.to_string_lossy())?;
        let arguments = match part {
            Part::Merge => format!("[\"merge\", {run}]"),
            _ => format!("[\"shard\", {run}, \"--stage\", \"{part}\"]"),
        };
        text += &JOB
            .replace("@NAME@", &format!("{name}-{part}"))
            .replace("@COUNT@", &count.to_string())
            .replace("@PARALLEL@", &sweep.spec.engine.max_parallel.min(count).to_string())
            .replace("@RETRIES@", &sweep.spec.engine.retries.to_string())
            .replace("@MEMORY@", &needs.mebibytes.to_string())
            .replace("@ARGUMENTS@", &arguments);
    }
    Ok(text)
}

const HEAD: &str = "\
# Apply one Job after the other, each when the one before is complete:
#   kubectl apply -f job.yaml && kubectl wait --for=condition=complete --timeout=-1s job/NAME
# To complete: IMAGE (any image with babelscope in it), CLAIM (a volume with the run folder and the models, ReadWriteMany),
# MOUNT (where it is mounted: paths must be those of the machine that planned), and limits for GPUs. Kubernetes 1.29 or later.
";

const JOB: &str = r#"---
apiVersion: batch/v1
kind: Job
metadata:
  name: @NAME@
spec:
  completionMode: Indexed          # JOB_COMPLETION_INDEX is the bundle
  completions: @COUNT@
  parallelism: @PARALLEL@
  backoffLimitPerIndex: @RETRIES@
  podFailurePolicy:
    rules:
      - action: Ignore             # a node that goes away costs no retry
        onPodConditions:
          - type: DisruptionTarget
      - action: FailIndex          # ends the same way each time (docs/CLUSTERS.md); 75 and signals are tried again
        onExitCodes:
          operator: In
          values: [2, 3, 4, 65, 66, 70, 73, 74, 78]
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 120
      containers:
        - name: babelscope
          image: IMAGE
          command: ["babelscope"]
          args: @ARGUMENTS@
          resources:
            requests:
              memory: @MEMORY@Mi
          volumeMounts:
            - name: data
              mountPath: MOUNT
      volumes:
        - name: data
          persistentVolumeClaim:
            claimName: CLAIM
"#;
