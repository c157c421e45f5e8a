"""Which of the processes that torchrun started for one stage this one is, by its environment. Without torch, which takes a second."""

import os
from typing import NamedTuple

from pipeline.errors import InputError

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


class Member(NamedTuple):
    """Its rank among `size` processes on all nodes, its rank among those of its node."""

    rank: int
    size: int
    local_rank: int


def member() -> Member | None:
    """What torchrun, or a launcher that sets the same five variables, says of this process; None where none did.

    InputError for numbers that cannot be.
    """
    if any(name not in os.environ for name in VARIABLES):
        return None
    told = ", ".join(f"{name}={os.environ[name]}" for name in VARIABLES[:3])
    try:
        found = Member(*(int(os.environ[name]) for name in VARIABLES[:3]))
    except ValueError:
        found = None
    if found is None or not (0 <= found.local_rank <= found.rank < found.size):
        raise InputError(f"RANK must be 0 to WORLD_SIZE - 1 and LOCAL_RANK no more, as torchrun sets them, found {told}: unset them all")
    return found


def require_alone() -> None:
    """InputError where this is one of several processes that torchrun started: most stages are one process's work."""
    found = member()
    if found is not None and found.size > 1:
        raise InputError(f"this stage must run in one process, found WORLD_SIZE={found.size}: run it without torchrun")
