"""Verify: read the archive again and hold every object against its own label and the journal.

Works from the bucket alone too; then the marker says whose archive it is. Memory holds a few objects, which
are read and counted ahead, and the journal's list of objects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import partial
from itertools import groupby
from typing import Any

from servicemanager.archive.ahead import ahead
from servicemanager.archive.inspect import Inspected, inspect
from servicemanager.archive.journal import ArchivedObject, Journal
from servicemanager.archive.marker import KEY as MARKER_KEY
from servicemanager.archive.objects import ObjectStore
from servicemanager.archive.parquet import FOLDER, Label, Name, parse_key
from servicemanager.archive.proof import Stores
from servicemanager.errors import ArchiveDamaged, ObjectCold, ObjectMissing
from servicemanager.iotdb.window import Window

_THREADS = 2


class Verdict(StrEnum):
    """What an object turned out to be."""

    SOUND = "sound"
    COLD = "cold"  # in an archival storage class: there, but not readable now
    DAMAGED = "damaged"
    MISSING = "missing"
    FOREIGN = "foreign"  # nothing that this database archived
    DOUBLED = "doubled"  # its rows are also in another object


#: Verdicts that are nothing to worry about.
FINE = {Verdict.SOUND, Verdict.COLD}


@dataclass(frozen=True)
class Finding:
    """One object, and what is to be said of it."""

    url: str
    verdict: Verdict
    detail: str = ""
    rows: int = 0
    size: int = 0


@dataclass(frozen=True)
class Known:
    """An object as the journal has it."""

    archive_id: int
    creation_date: date
    window: Window
    object: ArchivedObject


@dataclass(frozen=True)
class Days:
    """Local arrival days, both ends included; None is open."""

    first: date | None = None
    last: date | None = None

    def __contains__(self, day: date) -> bool:
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)


#: What a listing shows: a key, and what it says if it is one of ours.
Listed = tuple[str, Name | None]
#: Inspects listed objects of a store, and gives for each, in order, a call that returns or raises what was found.
Inspecting = Callable[[ObjectStore, Iterable[Listed]], Generator[tuple[Listed, Callable[[], Inspected]]]]


def in_threads(store: ObjectStore, listed: Iterable[Listed], threads: int = _THREADS) -> Generator[Any]:
    """Here, a few objects ahead."""
    return ahead(lambda each: inspect(store, each[0]), listed, threads)


@dataclass
class Verifier:
    """One pass over an archive."""

    stores: Stores
    #: The database's name in the archive, from its own tables or from the marker.
    database: str
    #: By URL; None when only the bucket is asked.
    known: dict[str, Known] | None
    days: Days = field(default_factory=Days)
    #: Told of each object that was found sound, with its journal entry.
    on_sound: Callable[[Known], None] = lambda _: None
    inspecting: Inspecting = in_threads

    def run(self) -> Iterator[Finding]:
        """Findings in the order of the objects' names, then what the journal misses."""
        seen: set[str] = set()
        last: Window | None = None
        with closing(self.inspecting(self.stores.current, self._listed())) as inspected:
            for window, group in groupby(inspected, key=lambda each: each[0][1].window if each[0][1] else None):
                members = sorted(group, key=lambda each: each[0][1].generation if each[0][1] else 0)
                seen.update(self.stores.current.url_of(key) for (key, _), _ in members)
                yield from self._gaps([name for (_, name), _ in members if name])
                for (key, name), wait in members:
                    yield self._check(self.stores.current, key, name, last, wait)
                last = window or last
        yield from self._elsewhere(seen)

    def _listed(self) -> Iterator[Listed]:
        for stat in self.stores.current.list(FOLDER):
            name = parse_key(stat.key)
            if stat.key != MARKER_KEY and (name is None or name.creation_date in self.days):
                yield stat.key, name

    def _gaps(self, names: list[Name]) -> Iterator[Finding]:
        """Generations that a later one of the same window presupposes."""
        if not names:
            return
        there = {name.generation for name in names}
        # Earlier ones may lie under another prefix; the journal then sees to them.
        there |= {k.object.generation for k in (self.known or {}).values() if k.window == names[0].window}
        for generation in range(max(there)):
            if generation not in there:
                key = Label("", names[0].window, names[0].creation_date, generation).key
                yield Finding(self.stores.current.url_of(key), Verdict.MISSING, "a later generation is there")

    def _check(
        self, store: ObjectStore, key: str, name: Name | None, last: Window | None, wait: Callable[[], Inspected]
    ) -> Finding:
        url = store.url_of(key)
        if name is None:
            return Finding(url, Verdict.FOREIGN, "its name is not one that ServiceManager gives")
        try:
            found = wait()
        except ObjectCold as error:
            return Finding(url, Verdict.COLD, str(error))
        except ObjectMissing:
            return Finding(url, Verdict.MISSING, "it was listed, but is gone")
        except ArchiveDamaged as error:
            return Finding(url, Verdict.DAMAGED, str(error))
        verdict, detail = self._judge(store, key, found)
        if verdict is Verdict.SOUND and last and last.overlaps(name.window):
            verdict, detail = Verdict.DOUBLED, f"its window overlaps {last}"
        known = (self.known or {}).get(url)
        if verdict is Verdict.SOUND and known:
            self.on_sound(known)
        return Finding(url, verdict, detail, found.fingerprint.rows, found.size)

    def _judge(self, store: ObjectStore, key: str, found: Inspected) -> tuple[Verdict, str]:
        label = found.label
        if label.database != self.database:
            return Verdict.FOREIGN, f"it belongs to another database ({label.database})"
        if label.key != key:
            if store.stat(label.key):
                return Verdict.DOUBLED, f"it is a copy of {label.key}"
            return Verdict.FOREIGN, f"its own name is {label.key}"
        if found.fingerprint != label.fingerprint:
            return Verdict.DAMAGED, "its rows are not those that its label promises"
        if found.first_at < label.window.start_at or found.last_at >= label.window.end_at:
            return Verdict.DAMAGED, "it holds rows that lie outside of its window"
        return self._against_journal(store.url_of(key), found)

    def _against_journal(self, url: str, found: Inspected) -> tuple[Verdict, str]:
        if self.known is None:
            return Verdict.SOUND, ""
        known = self.known.get(url)
        if known is None:
            return Verdict.FOREIGN, "the journal does not know it"
        if (found.sha256, found.fingerprint) != (known.object.sha256, known.object.fingerprint):
            return Verdict.DAMAGED, "it is not the object that the journal knows by this name"
        return Verdict.SOUND, ""

    def _elsewhere(self, seen: set[str]) -> Iterator[Finding]:
        """What the journal knows and the listing did not show: gone, or under an earlier bucket or prefix."""
        for url, known in (self.known or {}).items():
            if url not in seen and known.creation_date in self.days:
                store, key = self.stores.locate(url)
                if store.stat(key) is None:
                    yield Finding(url, Verdict.MISSING, "the journal knows it", known.object.fingerprint.rows)
                else:
                    yield self._check(store, key, parse_key(key), None, partial(inspect, store, key))


def known_objects(journal: Journal) -> dict[str, Known]:
    """Every object in the journal, by URL."""
    return {found.url: Known(e.id, e.creation_date, e.window, found) for e, found in journal.catalogue()}


@dataclass
class Summary:
    """A pass over the archive in numbers, and every finding that is not simply sound."""

    verdicts: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    size: int = 0
    findings: list[Finding] = field(default_factory=list)

    @classmethod
    def of(cls, findings: Iterable[Finding]) -> Summary:
        summary = cls()
        for finding in findings:
            summary.verdicts[finding.verdict.value] += 1
            if finding.verdict is Verdict.SOUND:
                summary.rows += finding.rows
                summary.size += finding.size
            else:
                summary.findings.append(finding)
        return summary

    @property
    def is_fine(self) -> bool:
        return all(finding.verdict in FINE for finding in self.findings)

    def to_document(self) -> dict[str, object]:
        """For --json."""
        return {
            "verdicts": dict(self.verdicts),
            "sound_rows": self.rows,
            "sound_bytes": self.size,
            "findings": [{"url": f.url, "verdict": f.verdict.value, "detail": f.detail} for f in self.findings],
        }
