"""Which cluster: the extra that it needs, and whether its workers offer GPUs."""

import sys

import pytest

from pipeline.cluster.clusters import require_dask, wants_gpu
from pipeline.errors import InputError


@pytest.mark.parametrize(("missing", "slurm"), [("distributed", False), ("distributed", True), ("dask_jobqueue", True)])
def test_a_missing_extra_is_one_line_that_names_the_cure(missing, slurm, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", sys)
    monkeypatch.setitem(sys.modules, "dask_jobqueue", sys)
    require_dask(slurm)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(InputError, match=r"^spread needs the package .*, which is not installed\. Run: pip install -e '\.\[cluster\]'$"):
        require_dask(slurm)


def test_processes_here_need_no_jobqueue(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", sys)
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    require_dask(slurm=False)


class Client:
    def __init__(self, *resources: dict[str, float]) -> None:
        self.workers = {str(number): {"resources": offered} for number, offered in enumerate(resources)}

    def scheduler_info(self, n_workers: int) -> dict[str, object]:
        assert n_workers == -1  # all of them, not the first five
        return {"workers": self.workers}


def test_a_gpu_is_asked_for_only_where_one_is_offered():
    assert not wants_gpu(Client())
    assert not wants_gpu(Client({}, {"MEMORY": 3}))
    assert wants_gpu(Client({}, {"GPU": 1}))
