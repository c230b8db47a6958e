"""What is decided about statistics: pure, with a named reason for each decision."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from servicemanager.iotdb.device_statistics import Line
from servicemanager.iotdb.moments import Moments, Pair
from servicemanager.iotdb.rollups import Remembered


class Freshness(StrEnum):
    """Whether a day's readings must be summed up again, and why."""

    TODAY = "the day is not over"
    NEW = "the day was never summed up"
    ROWS = "Facts holds another number of rows"
    JOURNAL = "the journal says something else about the day"
    UNCHANGED = "unchanged"


def decide_freshness(day: date, today: date, known: Remembered | None, now: Remembered) -> Freshness:
    """Of a local day; rows are never updated, so an equal number of them is taken for the same ones."""
    if day >= today:
        return Freshness.TODAY
    if known is None:
        return Freshness.UNCHANGED if now.facts_rows == 0 else Freshness.NEW
    if known.facts_rows != now.facts_rows:
        return Freshness.ROWS
    return Freshness.UNCHANGED if known.journal == now.journal else Freshness.JOURNAL


class Verdict(StrEnum):
    """Whether a pair can be filtered by its statistics. The gateway throws away what exceeds sigmas x deviation."""

    FIT = "fit"
    CONSTANT = "its deviation is 0, so every positive reading would be thrown away"
    STEADY = "its average is not below the limit, so most of its readings would be thrown away"


def judge(line: Line, sigmas: float) -> Verdict:
    if line.deviation == 0:
        return Verdict.CONSTANT
    return Verdict.STEADY if line.average >= sigmas * line.deviation else Verdict.FIT


def to_line(pair: Pair, moments: Moments) -> Line:
    return Line(pair.device, pair.sensor, moments.mean, moments.deviation, moments.error)


class Decision(StrEnum):
    """Whether the table is replaced."""

    PUBLISH = "published"
    FORCED = "published because --force was given"
    SHRINKS = "held back: the table would shrink by more than half"


def decide_publication(before: int, after: int, *, force: bool) -> Decision:
    if 2 * after >= before:
        return Decision.PUBLISH
    return Decision.FORCED if force else Decision.SHRINKS


class Kind(StrEnum):
    """How a published row and the one that would be published relate."""

    NEW = "new"
    GONE = "gone"
    CHANGED = "changed"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Change:
    """One pair, as it stands and as it would."""

    kind: Kind
    before: Line | None
    after: Line | None


#: A FLOAT column keeps 24 bits, and the server tells six digits of them.
_PRECISION = 1e-5


def compare(before: Iterable[Line], after: Iterable[Line]) -> Iterator[Change]:
    """Merge two lists that are in the order of device and sensor; memory holds one line of each."""
    left, right = iter(before), iter(after)
    old, new = next(left, None), next(right, None)
    while old or new:
        if new is None or (old and _key(old) < _key(new)):
            yield Change(Kind.GONE, old, None)
            old = next(left, None)
        elif old is None or _key(new) < _key(old):
            yield Change(Kind.NEW, None, new)
            new = next(right, None)
        else:
            yield Change(Kind.SAME if _alike(old, new) else Kind.CHANGED, old, new)
            old, new = next(left, None), next(right, None)


def _key(line: Line) -> tuple[bytes, int]:
    return line.device, line.sensor


def _alike(old: Line, new: Line) -> bool:
    pairs = ((old.average, new.average), (old.deviation, new.deviation), (old.error, new.error))
    return all(abs(a - b) <= _PRECISION * max(abs(a), abs(b)) for a, b in pairs)
