"""A spread over a real Slurm of one node, a job's worker killed while it trains; as root, on Debian.

    apt-get install -y slurmd slurmctld munge
    PYTHONPATH=.:tests:tests/cluster python tests/by_hand/slurm.py FOLDER

starts munged, slurmctld and slurmd of its own (settings and state in FOLDER), spreads the small project of tests/cluster/test_shelf.py
over two jobs, kills with -9 the worker that trains, says what came out, and stops what it started.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
from spreading import Spread, works_at
from test_shelf import SPREAD, dvc, make_shelf

CONF = """\
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
ReturnToService=2
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 Boards=1 SocketsPerBoard=1 CoresPerSocket=2 ThreadsPerCore=1 RealMemory=4000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
CGROUP = """\
CgroupPlugin=autodetect
IgnoreSystemd=yes
"""  # nothing is confined here; slurmd wants one all the same, and no systemd need run
JOBS = """\
jobqueue:
  slurm:
    cores: 1
    memory: 1500MB
    queue: main
    walltime: "01:00:00"
    log-directory: {folder}/jobs
    local-directory: {folder}/nodes
    scheduler-options: {{host: 127.0.0.1}}
distributed:
  deploy: {{lost-worker-timeout: 5s}}
"""
PATIENCE_S = 3600.0


@contextlib.contextmanager
def slurm(folder: Path) -> Iterator[None]:
    """munged, slurmctld and slurmd as children of this process, up once the node is idle, ended on the way out."""
    host = socket.gethostname().split(".")[0]
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "slurm.conf").write_text(CONF.format(host=host, folder=folder))
    (folder / "cgroup.conf").write_text(CGROUP)
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    Path("/run/munge").mkdir(exist_ok=True)
    shutil.chown("/run/munge", "munge", "munge")
    starts: list[tuple[list[str], Callable[[], object]]] = [
        (["runuser", "-u", "munge", "--", "munged", "--foreground", "--force"], Path("/run/munge/munge.socket.2").exists),
        (["slurmctld", "-D", "-c"], lambda: "one" in shell("scontrol", "show", "config")),
        (["slurmd", "-D", "-c", "-N", host], lambda: "idle" in shell("sinfo", "-ho", "%T")),
    ]
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        for number, (command, sign) in enumerate(starts):
            with open(folder / f"daemon-{number}.out", "wb") as out:
                daemons.append(subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL))
            until(sign, f"{command} is up", daemons[-1])
        yield
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait()


def main() -> None:
    """Do all of it and print a line for each finding; exit code 1 when one is not as it must be."""
    folder = Path(sys.argv[1]).resolve()
    project = make_shelf(folder, SPREAD.replace("Choice(None, False, 2)", "Choice(None, True, 2)"), broken="nobody")
    (folder / "config").mkdir()
    (folder / "config" / "jobqueue.yaml").write_text(JOBS.format(folder=folder))
    os.environ["DASK_CONFIG"] = str(folder / "config")
    (project / ".scratch/hold-train").touch()
    with slurm(folder):
        begun = time.monotonic()
        spread = Spread(project, "spread.py")
        spread.until((project / ".scratch/train").exists)
        stage, worker = training(folder)
        print(f"jobs at the kill: {shell('squeue', '-ho', '%i %T').split()}")
        for victim in (worker, worker.parent()):  # the nanny too: as when a node is lost
            assert victim is not None
            victim.kill()
        spread.until(lambda: not stage.is_running())
        (project / ".scratch/hold-train").unlink()
        code = spread.ends()
        left = shell("squeue", "-h").strip()
        print(f"spread: exit code {code}, {time.monotonic() - begun:.0f} s; jobs left: {left or 'none'}")
    model, status, said = (project / "data/model.txt").read_text(), dvc(project, "status").strip(), spread.said()
    print(f"model: {model.split()}; dvc status: {status}\n{said}")
    whole = model == "names 3\nframes-a 3\ntrain 3\n" and "up to date" in status
    sys.exit(0 if whole and code == 0 and not left and "train: begun again" in said and "train: from 1" in said else 1)


def training(folder: Path) -> tuple[psutil.Process, psutil.Process]:
    """The stage that trains in a clone on the nodes, and the Dask worker that has it."""
    for process in psutil.process_iter():
        try:
            if works_at(process, "stages.train_appearance") and Path(process.cwd()).is_relative_to(folder / "nodes"):
                worker = next(p for p in process.parents() if works_at(p, "pipeline.cluster.stage")).parent()
                if worker is not None:
                    return process, worker
        except psutil.Error:
            continue
    raise SystemExit("no training was found on a worker")


def until(look: Callable[[], object], what: str, command: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until something is there."""
    end = time.monotonic() + PATIENCE_S
    while not look():
        if time.monotonic() > end or (command is not None and command.poll() is not None):
            raise SystemExit(f"{what} never came")
        time.sleep(0.05)


def shell(*command: str) -> str:
    """What a command prints."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


if __name__ == "__main__":
    main()
