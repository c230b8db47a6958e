"""Work on the next items in other threads, while the caller is busy with one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Thread
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def begun(function: Callable[[], Result]) -> Callable[[], Result]:
    """Begin at once, in another thread; the call that is returned waits for the result, or raises what it raised.

    Nobody waits where that is not called: the program may even end meanwhile.
    """
    future: Future[Result] = Future()

    def work() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001 -- whoever waits gets it
            future.set_exception(error)

    Thread(target=work, name="begun", daemon=True).start()
    return future.result


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
