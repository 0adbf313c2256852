#!/usr/bin/env bash
# up.sh DIR [NODES] [PORT]: a private Slurm of virtual nodes on 127.0.0.1, for tests. Works as any one user, without systemd, cgroups or
# files under /etc; the machine must know its own name and have an address beside loopback. Prints the line that lets Slurm's commands
# find it; down.sh DIR ends it. Uses the ports PORT to PORT + NODES.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
umask 022
dir=$(readlink -f "$1"); nodes=${2:-4}; port=${3:-17000}; host=$(hostname -s); user=$(id -un)

# munged refuses a key that others may read, and a socket in a folder that others may write to or not pass through.
mkdir -p "$dir"/{state,log,munge,spool}
chmod 755 "$dir"
chmod 711 "$dir/munge"
(umask 077; head -c 1024 /dev/urandom > "$dir/munge/key")
munged --force --num-threads=2 --key-file="$dir/munge/key" --socket="$dir/munge/sock" --pid-file="$dir/munge/pid" \
  --log-file="$dir/munge/log" --seed-file="$dir/munge/seed" 2>> "$dir/log/munged.err"

# What is not plain:
#   AuthInfo cred_expire     a task that is requeued waits until its old permission has expired: 5 s and not 120 s
#   CommunicationParameters  listen on loopback only
#   ProctrackType, TaskPlugin, JobAcctGatherType  without cgroups; with the defaults nodes look healthy and every task fails
#   SlurmdParameters         nodes may claim more processors than this machine has
#   SlurmdTimeout            a node that is silent is given up after 10 s and not 300 s
#   MinJobAge                ended jobs stay known for as long as a test may ask
cat > "$dir/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$dir/munge/sock,cred_expire=5
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$dir/log/jobcomp.txt
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0,bf_interval=1
MaxArraySize=1001
SlurmdParameters=config_overrides
ReturnToService=2
JobRequeue=1
SlurmctldTimeout=30
SlurmdTimeout=10
KillWait=2
MinJobAge=600
MessageTimeout=10
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool/%n
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.%n.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd.%n.log
NodeName=n[0-$((nodes - 1))] NodeHostname=$host NodeAddr=127.0.0.1 Port=[$((port + 1))-$((port + nodes))] CPUs=2 Boards=1 SocketsPerBoard=1 CoresPerSocket=2 ThreadsPerCore=1 RealMemory=65536 State=UNKNOWN
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF

export SLURM_CONF="$dir/slurm.conf"
slurmctld -c
for ((i = 0; i < nodes; i++)); do
  mkdir -p "$dir/spool/n$i"
  slurmd -N "n$i"
done
begun=$SECONDS
while [ $((SECONDS - begun)) -lt 60 ]; do
  # A controller that is not there lets sinfo wait long.
  idle=$(timeout 2 sinfo --noheader --Node --format=%T 2> /dev/null | grep -c '^idle$' || true)
  if [ "$idle" = "$nodes" ]; then
    echo "export SLURM_CONF=$SLURM_CONF"
    exit 0
  fi
  sleep 0.1
done
echo "up.sh: the cluster did not come up" >&2
tail -n 5 "$dir"/log/slurm*.log >&2
exit 1
