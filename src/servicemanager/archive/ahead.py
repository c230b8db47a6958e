"""Work on the next items in other threads, while the caller is busy with one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int
) -> Generator[tuple[Item, Callable[[], Result]]]:
    """Each item, in order, with a call that waits for what `function` makes of it, or raises what it raised.

    So many threads work at once, on items that are taken from `items` one by one; with none, the call does the work.
    Close it where it is not used up: what was begun is waited for.
    """
    if not threads:
        yield from ((item, partial(function, item)) for item in items)
        return
    waiting: deque[tuple[Item, Callable[[], Result]]] = deque()
    with ThreadPoolExecutor(threads, "ahead") as pool:
        for item in items:
            waiting.append((item, pool.submit(function, item).result))
            if len(waiting) > threads:
                yield waiting.popleft()
        yield from waiting
