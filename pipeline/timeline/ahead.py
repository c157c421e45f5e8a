"""Items worked out in a thread of their own, while those before them are used."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


class _End:
    """What follows the last item."""


def ahead(items: Iterable[Item], most: int = 1) -> Iterator[Item]:
    """The same items in order, up to `most` of them worked out beforehand; an error is raised where its item would have come.

    Whoever stops early waits for what is being worked out.
    """
    source = iter(items)
    with ThreadPoolExecutor(1) as pool:
        waiting: deque[Future[Item | _End]] = deque(pool.submit(next, source, _End()) for _ in range(most))
        while not isinstance(item := waiting.popleft().result(), _End):
            waiting.append(pool.submit(next, source, _End()))
            yield item
