"""Into Facts: what was purged returns, and the journal takes it back to "archived, not purged".

Rows and journal change in one transaction, which commits only when the database counts exactly the
archive's rows more than before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from servicemanager.archive.journal import Journal, JournaledWindow, Part
from servicemanager.archive.proof import Stores, read_proven
from servicemanager.errors import ArchiveDamaged
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.facts import Facts
from servicemanager.iotdb.fingerprint import total
from servicemanager.iotdb.insert import insert_rows
from servicemanager.jobs.job import JobContext


@dataclass(frozen=True)
class Returning:
    """Windows on their way back into Facts."""

    database: Database
    stores: Stores
    facts: Facts
    journal: Journal
    context: JobContext

    def window(self, entry: JournaledWindow) -> Iterator[int]:
        """Bring back what was purged of one window; yields the rows of each slice once they are there to stay.

        Raises ArchiveDamaged or ObjectCold.
        """
        purged = _by_slice(part for part in self.journal.parts(entry.id) if part.purged_at is not None)
        contents = self._contents(entry, [part for parts in purged.values() for part in parts])
        for number, parts in sorted(purged.items()):
            self.context.checkpoint()
            rows = [
                self.facts.within(part.window, contents[part.generation]) for part in parts if part.fingerprint.rows
            ]
            self._slice(entry, number, parts, rows)
            yield sum(table.num_rows for table in rows)
        if purged:
            self.context.progress.say("window restored", window=str(entry.window))

    def _contents(self, entry: JournaledWindow, parts: Iterable[Part]) -> dict[int, pa.Table]:
        generations = {part.generation for part in parts if part.fingerprint.rows}
        objects = [found for found in self.journal.objects(entry.id) if found.generation in generations]
        return {found.generation: read_proven(self.stores, found) for found in objects}

    def _slice(self, entry: JournaledWindow, number: int, parts: list[Part], rows: list[pa.Table]) -> None:
        window, promised = parts[0].window, total(part.fingerprint for part in parts)
        with self.database.transaction() as tx:
            self.context.lease.pass_fence(tx)
            (before,) = self.facts.fingerprints(tx, [window], lock=True)
            for table in rows:
                insert_rows(self.database, tx, self.facts.shape.table, table)
            (after,) = self.facts.fingerprints(tx, [window], lock=True)
            if after != before + promised or self.journal.mark_returned(tx, entry.id, number) != len(parts):
                raise ArchiveDamaged(f"The rows of {window} could not be brought back exactly: nothing was changed.")
        self.context.progress.advance("restored", promised.rows)


def _by_slice(parts: Iterable[Part]) -> dict[int, list[Part]]:
    found: dict[int, list[Part]] = {}
    for part in parts:
        found.setdefault(part.slice, []).append(part)
    return found
