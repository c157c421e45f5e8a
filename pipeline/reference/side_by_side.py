"""Pictures worked on side by side, each by one thread."""

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

THREADS = 4  # pictures made at once, at most

Made = TypeVar("Made")


@contextlib.contextmanager
def whole_pictures_side_by_side() -> Iterator[None]:
    """No pass over a picture is shared among threads, which would wait for each other while another picture could go on.

    Nor does any byte depend on how many there are.
    """
    import cv2
    import torch

    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def in_order(work: Callable[..., Made], tasks: Iterable[tuple[Any, ...]]) -> Iterator[Made]:
    """Results of work(*task) in the order of the tasks, made by a few threads, no farther ahead than these."""
    threads = min(THREADS, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Made]] = deque()
        for task in tasks:
            waiting.append(pool.submit(work, *task))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
