"""Two drawn targets by `motion-copy spread --slurm` on a real Slurm of one node, a job's worker killed while it trains; as root, on Debian.

    apt-get install -y slurmd slurmctld munge
    PYTHONPATH=.:tests python tests/by_hand/slurm.py FOLDER

starts munged, slurmctld and slurmd of its own (settings and state in FOLDER), makes the drawn project with two targets, trains both
serially and over Slurm, kills one worker with -9 in the middle of a training, says what came out, and stops what it started.
"""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
from walking import Project, cast, edit_params, environment, make_project

from pipeline.cluster.entries import read_entries

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
TARGETS = ("train_appearance@ann", "train_appearance@ben")
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


def two_targets(folder: Path) -> Project:
    """The drawn project with its driver as a second target, committed, with a remote."""
    project = make_project(folder / "p")
    people = cast()
    people["targets"]["ben"] = {**people["targets"]["ann"], "clip": "ben"}
    people["pairs"]["ben-to-ben"] = {**people["pairs"]["ann-to-ann"], "driver": "ben", "target": "ben"}
    edit_params(project.folder / "params.yaml", people)
    project.dvc("remote", "add", "-d", "store", str(folder / "store"))
    for command in (["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "1"]):
        subprocess.run(["git", *command], cwd=project.folder, check=True, env=environment())
    return project


def main() -> None:
    """Do all of it and print a line for each finding; exit code 1 when one is not as it must be."""
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True)
    project = two_targets(folder)
    serial = project.copy(folder / "serial")
    begun = time.monotonic()
    serial.repro(*TARGETS)
    print(f"serial: {time.monotonic() - begun:.0f} s")
    (folder / "config").mkdir()
    (folder / "config" / "jobqueue.yaml").write_text(JOBS.format(folder=folder))
    with slurm(folder):
        sound = spread(project, folder, serial)
    sys.exit(0 if sound else 1)


def spread(project: Project, folder: Path, serial: Project) -> bool:
    """Two jobs at a time; the worker of the first training is killed once it has a checkpoint."""
    begun = time.monotonic()
    with open(folder / "spread.log", "wb") as log:
        command = subprocess.Popen(
            [sys.executable, "-m", "pipeline.command", "spread", "--slurm", "--workers", "2", *TARGETS],
            cwd=project.folder, env={**environment(), "DASK_CONFIG": str(folder / "config")}, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    until(lambda: list(project.folder.glob(".scratch/train_appearance/*/checkpoint.pt")), "a checkpoint", command)
    victim = worker_that_trains(folder)
    print(f"killed: worker {victim.pid} of Slurm's jobs {shell('squeue', '-h', '-o', '%i %T').split(chr(10))}")
    job = victim.parent()
    victim.kill()
    if job is not None:
        job.kill()  # the nanny too: as when a node is lost
    code = command.wait(PATIENCE_S)
    said = (folder / "spread.log").read_text(errors="replace")
    print(f"spread: exit code {code}, {time.monotonic() - begun:.0f} s")
    again = sorted(set(re.findall(r"(\S+): begun again", said)))
    theirs, ours = (comparable(read_entries(folder)) for folder in (serial.folder, project.folder))
    different = sorted(name for name in theirs.keys() | ours.keys() if theirs.get(name) != ours.get(name))
    status, ran = project.dvc("status", "--with-deps", *TARGETS).stdout.strip(), project.repro(*TARGETS)
    left = shell("squeue", "-h").strip()
    steps = sorted(set(re.findall(r"train_appearance: ([0-9]+)/\1 steps", said)))
    print(f"begun again: {', '.join(again)}; steps of the trainings' last processes: {', '.join(steps)}")
    print(f"outs compared: {len(theirs)}, different: {different}")
    print(f"dvc status: {status}; dvc repro ran: {ran}; jobs left: {left or 'none'}")
    return code == 0 and not different and not ran and not left and any(name.startswith("train_appearance@") for name in again)


def comparable(entries: dict[str, Any]) -> dict[str, str]:
    """Digests of outs by path, without the times."""
    outs = [out for entry in entries.values() for out in entry["outs"]]
    return {out["path"]: out["md5"] for out in outs if not out["path"].startswith("data/metrics/time/")}


def worker_that_trains(folder: Path) -> psutil.Process:
    """The Dask worker whose stage trains, in a clone under the folder of the nodes."""
    for process in psutil.process_iter():
        try:
            if process.cmdline()[1:3] == ["-m", "stages.train_appearance"] and Path(process.cwd()).is_relative_to(folder / "nodes"):
                stage = next(p for p in process.parents() if "pipeline.cluster.stage" in p.cmdline())
                worker = stage.parent()
                if worker is not None:
                    return worker
        except (psutil.Error, IndexError):
            continue
    raise SystemExit("no training was found on a worker: more steps")


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
