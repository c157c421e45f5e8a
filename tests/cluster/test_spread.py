"""The head: what is handed to workers and when, what becomes of failures, and that results are kept at once."""

import io
from pathlib import Path
from typing import Any

import pytest

from pipeline.cluster.entries import Done, read_entries, write_entries
from pipeline.cluster.plan import Plan, Task
from pipeline.cluster.project import Shared
from pipeline.cluster.spread import Head
from pipeline.cluster.view import View
from pipeline.cluster.work import StageError

TASKS = [
    Task("names", (), "first", False),
    Task("frames@a", ("names", "a.mkv.dvc"), "worker", False),
    Task("frames@b", ("names",), "worker", False),
    Task("train@a", ("names", "frames@a"), "worker", True),
    Task("draw@b-to-a", ("train@a", "frames@b"), "worker", True),
    Task("score@a", ("train@a",), "worker", False),
    Task("report", ("score@a", "draw@b-to-a"), "last", False),
]
SHARED = Shared("c0ffee", "/scratch/project.git", {"name": "store", "url": "/store"}, "/scratch")
SCORES = {"score@a": ["data/metrics/a.json"]}


class Fake:
    """Workers that run one job at a time, the latest first; some fail."""

    def __init__(self, project: Path, broken: tuple[str, ...] = ()) -> None:
        self.project, self.broken = project, broken
        self.jobs: dict[str, dict[str, Any]] = {}
        self.begun: list[str] = []
        self.known: dict[str, set[str]] = {}
        self.asked: list[int] = []

    def begin(self, task: Task, job: dict[str, Any]) -> None:
        self.jobs[task.address] = job
        self.begun.append(task.address)
        self.known[task.address] = set(read_entries(self.project))

    def collect(self, seconds: float) -> list[tuple[str, Done | Exception]]:
        address = next(name for name in reversed(self.begun) if name in self.jobs)
        job = self.jobs.pop(address)
        assert job["address"] == address
        if address in self.broken:
            return [(address, StageError("the clip must have frames, found none.", "one\ntwo"))]
        files = dict.fromkeys(SCORES.get(address, ()), f"{address}\n")
        return [(address, Done({"cmd": f"run {address}", "outs": [{"path": address}]}, files))]

    def ask_for(self, workers: int) -> None:
        self.asked.append(workers)


@pytest.fixture
def spread(tmp_path):
    """A function: workers after a spread in which some stages fail, and the head."""

    def run(broken: tuple[str, ...] = (), finished: tuple[str, ...] = ("names",)) -> tuple[Fake, Head]:
        if not (tmp_path / "dvc.lock").exists():
            write_entries(tmp_path, {"names": {"cmd": "names"}})
        head = Head(Plan(TASKS), finished, tmp_path, SHARED, "r1", SCORES)
        head.view = View(head.view.waiting, io.StringIO())
        workers = Fake(tmp_path, broken)
        head.spread(workers)
        return workers, head

    return run


def test_all_run_once_each_after_what_it_waits_for(spread, tmp_path):
    workers, head = spread()
    assert sorted(workers.begun) == sorted(task.address for task in TASKS if task.place == "worker")
    assert set(workers.begun[:2]) == {"frames@a", "frames@b"}
    for task in TASKS:
        if task.place == "worker":
            assert workers.known[task.address] >= set(task.waits_for), "an entry was not kept at once"
    assert set(read_entries(tmp_path)) == {task.address for task in TASKS} - {"report"}
    assert (tmp_path / "data/metrics/a.json").read_text() == "score@a\n"
    assert set(head.view.done) == set(workers.begun)
    assert not head.view.failed


def test_as_many_workers_are_asked_for_as_have_something_to_do(spread):
    workers, _ = spread()
    assert workers.asked[0] == 2
    assert max(workers.asked) <= 3


def test_a_job_holds_what_its_stage_needs_and_no_more(spread):
    seen = {}
    begin = Fake.begin

    def noting(self, task, job):
        seen[task.address] = job
        begin(self, task, job)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Fake, "begin", noting)
        spread()
    job = seen["train@a"]
    assert job["entries"] == {"names": {"cmd": "names"}, "frames@a": {"cmd": "run frames@a", "outs": [{"path": "frames@a"}]}}
    assert (job["commit"], job["repository"], job["scratch"], job["run"]) == ("c0ffee", "/scratch/project.git", "/scratch", "r1")
    assert seen["frames@a"]["needs"] == ["names", "a.mkv.dvc"]
    assert seen["frames@a"]["remote"] == {"name": "store", "url": "/store"}


def test_an_earlier_entry_goes_along_unless_a_file_of_it_is_gone(spread, tmp_path):
    spread()
    head = Head(Plan(TASKS), ["names"], tmp_path, SHARED, "r2", SCORES)
    score = next(task for task in TASKS if task.address == "score@a")
    assert head.job(score)["entries"]["score@a"]["cmd"] == "run score@a"
    assert head.job(score)["files"] == {"data/metrics/a.json": "score@a\n"}
    (tmp_path / "data/metrics/a.json").unlink()
    assert "score@a" not in head.job(score)["entries"]


def test_a_failed_stage_stops_those_that_wait_for_it_alone(spread, tmp_path):
    workers, head = spread(broken=("frames@b",))
    assert set(workers.begun) == {"frames@a", "frames@b", "train@a", "score@a"}
    assert head.view.skipped == {"draw@b-to-a": "frames@b"}
    (line,) = head.view.failed.values()
    assert line.startswith("the clip must have frames, found none. Its last lines: .scratch/errors/frames@b-")
    assert (tmp_path / line.rsplit(" ", 1)[1]).read_text() == "one\ntwo\n"
    assert "frames@b" not in read_entries(tmp_path)


def test_what_is_up_to_date_does_not_run(spread):
    workers, _ = spread(finished=("names", "frames@a", "frames@b", "train@a"))
    assert sorted(workers.begun) == ["draw@b-to-a", "score@a"]


def test_a_stage_that_failed_here_stops_what_waits_for_it(spread):
    workers, head = spread(finished=())
    assert workers.begun == []
    assert set(head.view.failed) == {"names"}
    assert set(head.view.skipped) == {task.address for task in TASKS if task.place == "worker"}


# --- the view ---------------------------------------------------------------------------------------------------------


def test_the_view_counts_and_shows_the_last_line_of_each():
    view = View(["frames@a", "train@a", "score@a"], io.StringIO())
    view.says("frames@a", "", "tcp://1")
    view.says("train@a", "train@a: 3/9 steps 0:10 left")
    assert view.lines() == ["0 of 3 stages done, 2 running, 1 waiting", "  frames@a", "  train@a   3/9 steps 0:10 left"]
    view.ends("frames@a")
    view.fails("train@a", "too\nlong \x1b[2J", ["score@a"])
    assert view.lines() == ["1 of 3 stages done, 0 running, 0 waiting, 1 failed, 1 left out"]
    assert view.failed == {"train@a": "too long \\x1b[2J"}


def test_a_stage_that_begins_again_says_so_and_words_after_its_end_are_not_heard():
    out = io.StringIO()
    view = View(["train@a"], out)
    view.says("train@a", "", "tcp://1")
    view.says("train@a", "", "tcp://2")
    view.ends("train@a")
    view.says("train@a", "late")
    assert out.getvalue().splitlines() == [
        "train@a: begun on tcp://1", "train@a: begun again on tcp://2", "train@a: done, 1 of 1",
    ]  # fmt: skip
    assert view.lines() == ["1 of 1 stages done, 0 running, 0 waiting"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_view_takes_its_own_place():
    view = View(["a", "b"], out := Terminal())
    view.says("a", "x")
    view.draw(always=True)
    view.draw(always=True)
    assert "\033[2A\033[J" in out.getvalue()  # two lines: the counts, and a
    assert "\033" not in _plain()


def _plain() -> str:
    view = View(["a"], out := io.StringIO())
    view.says("a", "x")
    view.draw(always=True)
    view.draw(always=True)
    return out.getvalue()
