"""What torchrun says of a process, and stages that are one process's work."""

import pytest

from pipeline.errors import InputError
from pipeline.members import Member, member, require_alone

STARTED = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}


@pytest.fixture
def started(monkeypatch):
    for name, value in STARTED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_a_process_is_a_member_if_torchrun_s_variables_are_all_there(started):
    assert member() == Member(3, 4, 1)
    with pytest.raises(InputError, match=r"^this stage must run in one process, found WORLD_SIZE=4: run it without torchrun$"):
        require_alone()
    started.delenv("MASTER_PORT")
    assert member() is None
    require_alone()


def test_one_process_of_torchrun_may_do_any_stage(started):
    for name, value in {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}.items():
        started.setenv(name, value)
    assert member() == Member(0, 1, 0)
    require_alone()


@pytest.mark.parametrize(("name", "value"), [("RANK", "4"), ("RANK", "-1"), ("WORLD_SIZE", "four"), ("LOCAL_RANK", "4")])
def test_numbers_that_cannot_be_are_refused(started, name, value):
    started.setenv(name, value)
    with pytest.raises(InputError, match=f"found .*{name}={value}.*: unset them all"):
        member()
