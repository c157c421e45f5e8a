"""A Dask cluster that runs already: a scheduler and workers as somebody starts them, one of which has a GPU."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster.test_shelf import SPREAD, make_shelf, nothing_is_left
from spreading import Spread, processes, works_at
from walking import environment

pytestmark = pytest.mark.slow


class Cluster:
    """A scheduler with its address, and workers with theirs: `plain` and `gpu`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[subprocess.Popen[str]] = []
        self.address = self._start("Scheduler at", "dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        worker = ("dask_worker", self.address, "--nthreads", "1", "--no-dashboard", "--local-directory", str(folder))
        self.plain = self._start("Start worker at", *worker)
        self.gpu = self._start("Start worker at", *worker, "--resources", "GPU=1")

    def _start(self, sign: str, program: str, *arguments: str) -> str:
        """Start a program of Dask; the address that it says to have."""
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{program}", *arguments],
            cwd=self.folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        self.running.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(rf"{sign}:\s+(tcp://\S+)", line):
                return found[1]
        raise AssertionError(f"{program} ended without an address")

    def runs(self) -> bool:
        return all(process.poll() is None for process in self.running)

    def end(self) -> None:
        for process in self.running:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.end()


@pytest.fixture(scope="module")
def project(cluster, tmp_path_factory) -> Path:
    """A project whose spread goes to the cluster."""
    script = SPREAD.replace("Choice(None, False, 2)", f"Choice({cluster.address!r}, False, 0)")
    assert script != SPREAD
    return make_shelf(tmp_path_factory.mktemp("shelf"), script, broken="nobody")


def test_ctrl_c_ends_the_stages_and_leaves_the_cluster(project, cluster):
    (project / ".scratch/hold-train").touch()
    spread = Spread(project, "spread.py")
    spread.until((project / ".scratch/train").exists)
    assert any(works_at(process, "stages.train_appearance") for process in processes(cluster.folder))
    os.killpg(spread.process.pid, signal.SIGINT)
    assert spread.ends() == 130, spread.said()
    assert f"train: begun on {cluster.gpu}" in spread.said()
    assert nothing_is_left(project)
    assert not any(works_at(process, "stages.train_appearance") for process in processes(cluster.folder))
    assert clones(cluster) == []
    assert cluster.runs()
    (project / ".scratch/hold-train").unlink()


def test_its_workers_do_all_and_training_where_a_gpu_is_offered(project, cluster):
    spread = Spread(project, "spread.py")
    assert spread.ends() == 0, spread.said()
    assert f"train: begun on {cluster.gpu}" in spread.said()
    begun = set(re.findall(r": begun on (\S+)", spread.said()))
    assert begun <= {cluster.gpu, cluster.plain}
    assert (project / "data/report.txt").read_text().endswith("report 3\n")
    assert clones(cluster) == []
    assert cluster.runs()


def clones(cluster: Cluster) -> list[Path]:
    """Projects in the folders of its workers."""
    return list(cluster.folder.rglob("dvc.yaml"))
