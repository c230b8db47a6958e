"""Many who do the same thing at the same moment: threads, and processes of their own."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Sequence


def race(call: Callable[[int], object], runners: int) -> list[object]:
    """Run `call` in so many threads at once; what each of them returned or raised, by its number."""
    start = threading.Barrier(runners)
    results: list[object] = [None] * runners

    def run(number: int) -> None:
        start.wait()
        try:
            results[number] = call(number)
        except Exception as error:  # noqa: BLE001 -- the test decides what it should have been
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(runners)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def race_processes(program: str, arguments: Sequence[str], runners: int) -> list[str]:
    """Run the Python `program` in so many processes; each prints a line when it is ready, and goes on when told.

    Returns what each of them printed then.
    """
    command = [sys.executable, "-c", program, *arguments]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(runners)]
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        return [process.communicate(timeout=60)[0].strip() for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
