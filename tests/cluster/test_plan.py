"""DVC's graph as tasks: order, who waits for whom, where each runs, which wants a GPU."""

import os

import pytest
from walking import ROOT

from pipeline.cluster.plan import FIRST, GPU, LAST, Plan, Task, read_plan, task_of
from pipeline.errors import InputError


def task(name: str, *needs: str, place="worker") -> Task:
    return Task(name, needs, place, False)


DIAMOND = Plan([task("d", "b", "c"), task("b", "a"), task("c", "a", "x.dvc"), task("a", "y.dvc", "x.dvc"), task("e")])


@pytest.fixture(scope="module")
def repo():
    """The project itself, whose graph DVC reads in seconds, and once."""
    from dvc.repo import Repo

    with Repo(os.fspath(ROOT)) as repo:
        yield repo


@pytest.fixture(scope="module")
def shipped(repo) -> Plan:
    """The plan of the project itself."""
    return read_plan(repo)


def test_each_stands_after_what_it_waits_for():
    order = list(DIAMOND.tasks)
    assert sorted(order) == ["a", "b", "c", "d", "e"]
    assert order.index("a") < min(order.index("b"), order.index("c"))
    assert order.index("d") > max(order.index("b"), order.index("c"))


def test_what_waits_for_a_stage_waits_for_all_before_it():
    assert DIAMOND.after("a") == ["b", "c", "d"]
    assert DIAMOND.after("b") == ["d"]
    assert DIAMOND.after("d") == DIAMOND.after("e") == []


def test_what_follows_a_change_is_not_up_to_date():
    assert DIAMOND.up_to_date([]) == {"a", "b", "c", "d", "e"}
    assert DIAMOND.up_to_date(["c"]) == {"a", "b", "e"}
    assert DIAMOND.up_to_date(["a", "elsewhere"]) == {"e"}


def test_files_that_dvc_keeps_are_sources_and_not_waited_for():
    assert DIAMOND.sources() == ["x.dvc", "y.dvc"]
    assert DIAMOND.tasks["c"].waits_for == ("a",)


def test_a_circle_is_no_plan():
    with pytest.raises(ValueError, match="wait for each other: a, b"):
        Plan([task("a", "b"), task("b", "a"), task("c")])


@pytest.mark.parametrize(
    ("command", "place", "gpu"),
    [
        ("python -m stages.train_appearance --target ann", "worker", True),
        ("python -m stages.generate_foreground --pair a-to-b", "worker", True),
        ("python -m stages.extract_frames --clip ann", "worker", False),
        ("python -m stages.fetch_assets --asset man", "first", False),
        ("python -m stages.report --data data", "last", False),
        ("python -m stages.sign --pair a-to-b", "last", False),
        ("echo train_appearance", "worker", False),
    ],
)
def test_the_door_says_where_a_stage_runs_and_whether_it_wants_a_gpu(command, place, gpu):
    found = task_of("s@ann", command, ["a"])
    assert (found.place, found.gpu, found.needs) == (place, gpu, ("a",))


def test_named_doors_exist():
    doors = {path.stem for path in (ROOT / "stages").glob("*.py")}
    assert doors >= FIRST | LAST | GPU


def test_the_projects_own_plan(shipped):
    order = list(shipped.tasks)
    assert len(order) > 40
    for task in shipped.tasks.values():
        assert all(order.index(name) < order.index(task.address) for name in task.waits_for)
    gpu = {task.address for task in shipped.tasks.values() if task.gpu}
    assert {"train_appearance@man", "train_refiner@man", "generate_foreground@woman-to-man"} <= gpu
    assert "crop_person@man" in shipped.tasks["train_appearance@man"].waits_for
    assert "extract_frames@woman" not in shipped.tasks["train_appearance@man"].waits_for


def test_no_worker_waits_for_what_runs_after_all_and_nothing_that_runs_first_for_a_worker(shipped):
    places = {name: task.place for name, task in shipped.tasks.items()}
    rank = {"first": 0, "worker": 1, "last": 2}
    for task in shipped.tasks.values():
        assert all(rank[places[name]] <= rank[task.place] for name in task.waits_for), task.address
    assert {"report", "sign@man-to-man"} <= {task.address for task in shipped.at("last")}


def test_targets_bring_what_they_need_and_nothing_else(repo):
    plan = read_plan(repo, ["train_appearance@man"])
    assert "train_appearance@man" in plan.tasks
    assert not [name for name in plan.tasks if "woman" in name or name.startswith(("fuse", "report"))]
    with pytest.raises(InputError, match=r"'train_appearance@nobody' must be a stage of dvc\.yaml or an out of one"):
        read_plan(repo, ["train_appearance@nobody"])
