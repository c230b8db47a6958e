"""`make bench-large`: growth from a million readings to fifty, as tables in RESULTS.md and as a chart, growth.svg.

Sizes come from BENCH_ROWS (default 1000000,5000000,20000000,50000000). Both files are written after each size, for a
long night may end early. The largest needs 30 GiB where temporary files lie (TMPDIR).
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from math import nan
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import matplotlib as mpl
from benchmarks import growth
from benchmarks.growth import Size, measure
from benchmarks.harness import RESULTS, SERVER_OPTIONS, measured_on, save
from matplotlib.figure import Figure

from support.mariadb import Server, private_server

HEADING = "# Growth, from a million readings to fifty"
CHART = RESULTS.with_name("growth.svg")
_SIZES = "1000000,5000000,20000000,50000000"
#: Ours, beside the bare way; a ratio of seconds per row, and the goal to keep below.
COMPARED = (
    (growth.EXPORT, growth.DRAIN, 2.5),
    (growth.REBUILD, growth.GROUP_BY, 1.3),
    (growth.NIGHT, growth.REBUILD, 0.1),
    (growth.PURGE, growth.DELETES, 1.3),
    (growth.ARCHIVER, growth.PURGE, None),
    (growth.QUESTION, growth.DUCKDB, 1.5),
)
_DAY = "one day leaves with its partition"
_DROP = "bare DROP PARTITION, with nothing proven"
_DRAWN = (
    (growth.EXPORT, growth.DRAIN),
    (growth.REBUILD, growth.GROUP_BY),
    (growth.PURGE, growth.DELETES),
    (growth.QUESTION, growth.DUCKDB),
    (_DAY, _DROP),
)
_PEAK_MIB = 300


def report(sizes: list[Size], server: Server) -> str:
    """The part of RESULTS.md."""
    text = measured_on(server)
    text += (
        "\nOne fill for each size, with an index on creationDate. INTO OUTFILE and GROUP BY go by rows: of more than "
    )
    text += f"{growth.BARE_ROWS:,} rows they are left out.\n\n![Seconds by rows]({CHART.name})\n"
    return text + "".join(tables(sizes))


def tables(sizes: list[Size]) -> Iterator[str]:
    """What matters first."""
    yield _table("What it is to stay below", sizes, _goals())
    yield _table("Seconds per million rows", sizes, _each(sizes, lambda line: f"{line.per_million:.2f}"))
    yield _table("Seconds", sizes, _each(sizes, lambda line: f"{line.seconds:.2f}"))
    yield _table("Peak memory of our processes, MiB", sizes, _each(sizes, _peak))


#: What is told of each size, and the goal.
_Row = tuple[str, float | None, Callable[[Size], str]]


def _goals() -> list[_Row]:
    rows: list[_Row] = [
        ("the highest peak of our processes, MiB", _PEAK_MIB, lambda size: f"{max(_peaks(size)):.0f}"),
        (f"{_DAY}, seconds", 2, lambda size: f"{size.day_seconds:.2f}"),
        (f"{_DROP}, seconds", None, lambda size: f"{size.drop_seconds:.3f}"),
        ("p99 of a gateway's inserts while partitions leave, ms", None, lambda size: f"{size.insert_p99_ms:.1f}"),
        ("the longest of them, ms", 1000, lambda size: f"{size.insert_longest_ms:.0f}"),
    ]
    return rows + [(f"{ours}, beside {bare}: ratio", goal, _ratio(ours, bare)) for ours, bare, goal in COMPARED]


def _peaks(size: Size) -> list[float]:
    return [line.peak_mib for line in size.lines.values() if line.peak_mib]


def _ratio(ours: str, bare: str) -> Callable[[Size], str]:
    def tell(size: Size) -> str:
        lines = size.lines
        if ours not in lines or bare not in lines:
            return ""
        return f"{lines[ours].per_million / lines[bare].per_million:.2f}"

    return tell


def _each(sizes: list[Size], tell: Callable[[growth.Line], str]) -> list[_Row]:
    """Of each line that tells something."""

    def of(what: str) -> Callable[[Size], str]:
        return lambda size: tell(size.lines[what]) if what in size.lines else ""

    return [(what, None, of(what)) for what, line in sizes[0].lines.items() if tell(line)]


def _peak(line: growth.Line) -> str:
    return f"{line.peak_mib:.0f}" if line.peak_mib else ""


def _table(title: str, sizes: list[Size], rows: list[_Row]) -> str:
    with_goal = any(goal is not None for _, goal, _ in rows)
    heads = ["what", *(["goal"] if with_goal else []), *(f"{size.rows:,}" for size in sizes)]
    text = f"\n## {title}\n\n| " + " | ".join(heads) + " |\n|---" + "|---:" * (len(heads) - 1) + "|\n"
    for what, goal, tell in rows:
        goals = ["" if goal is None else f"{goal:g}"] if with_goal else []
        text += "| " + " | ".join([what, *goals, *map(tell, sizes)]) + " |\n"
    return text


def draw(sizes: list[Size], path: Path) -> None:
    """Seconds by rows, both logarithmic: ours solid, the bare way dashed in the same colour. Same sizes, same bytes."""
    figure = Figure(figsize=(8, 8), layout="constrained")
    axes, rows = figure.subplots(), [size.rows for size in sizes]
    for number, names in enumerate(_DRAWN):
        for name, style in zip(names, ("-", "--"), strict=True):
            seconds = [_seconds(size, name) for size in sizes]
            axes.plot(rows, seconds, style, marker="o", color=f"C{number}", label=name)
    axes.set(xscale="log", yscale="log", xlabel="rows in Facts", ylabel="seconds")
    axes.set_xticks(rows, [f"{each:,}" for each in rows])
    axes.set_xticks([], minor=True)
    axes.grid(visible=True, which="major", alpha=0.3)
    handles, names = axes.get_legend_handles_labels()
    # A column of ours, and beside each the bare way.
    figure.legend(
        handles[::2] + handles[1::2], names[::2] + names[1::2], loc="outside lower center", ncols=2, handlelength=3.5
    )
    with mpl.rc_context({"svg.hashsalt": "growth"}):
        figure.savefig(path, format="svg", metadata={"Date": None})


def _seconds(size: Size, name: str) -> float:
    """Not a number where it was not measured, and so not drawn."""
    days = {_DAY: size.day_seconds, _DROP: size.drop_seconds}
    return {**days, **{what: line.seconds for what, line in size.lines.items()}}.get(name, nan)


def main() -> None:
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    asked = [int(size) for size in (os.environ.get("BENCH_ROWS") or _SIZES).split(",")]
    sizes: list[Size] = []
    for rows in asked:
        # A server of its own for each, whose undo log has not grown with another's work.
        with (
            tempfile.TemporaryDirectory(prefix="sm-large-") as folder,
            private_server(*SERVER_OPTIONS, "--default-time-zone=+00:00") as server,
        ):
            sizes.append(measure(server, rows, Path(folder)))
            text = report(sizes, server)
        save(HEADING, text)
        draw(sizes, CHART)
    sys.stdout.write(f"{HEADING}\n\n{text}")


if __name__ == "__main__":
    main()
