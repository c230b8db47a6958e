"""What fenced transactions leave behind: triggers write a line within each, so a line stands only for what committed.

Every passage of a fence has a number, which no two transactions that commit can share. Work bears the number of the
passage that its own transaction made, or, if it made none, that of somebody else's: that is how work that went past
the fence is found.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from .mariadb import Server

_TABLE = """CREATE TABLE chaos_log (id BIGINT AUTO_INCREMENT PRIMARY KEY, kind VARCHAR(10) NOT NULL,
  name VARCHAR(190) NOT NULL, holder VARCHAR(255), term BIGINT, passage BIGINT, session VARCHAR(40), at DATETIME(6))"""
_INSERT = "INSERT INTO chaos_log (kind, name, holder, term, passage, session, at) VALUES"
_WHO = "CONCAT(CONNECTION_ID(), '@', @@server_id), SYSDATE(6)"
_FENCE = "(SELECT {} FROM sm_fence WHERE name = 'job:export')"
_BY_FENCE = f"{_FENCE.format('holder')}, {_FENCE.format('term')}, {_FENCE.format('passages')}, {_WHO}"
_PART = "CONCAT(NEW.archive_id, '/', NEW.generation, '/', NEW.slice)"
_TRIGGERS = (
    f"""CREATE TRIGGER chaos_fence AFTER UPDATE ON sm_fence FOR EACH ROW {_INSERT}
      (IF(NEW.passages = OLD.passages + 1, 'pass', 'take'), NEW.name, NEW.holder, NEW.term, NEW.passages, {_WHO})""",
    f"""CREATE TRIGGER chaos_part AFTER UPDATE ON sm_archive_part FOR EACH ROW BEGIN
      IF OLD.purged_at IS NULL AND NEW.purged_at IS NOT NULL THEN {_INSERT} ('purge', {_PART}, {_BY_FENCE}); END IF;
    END""",
    f"""CREATE TRIGGER chaos_object AFTER INSERT ON sm_archive_object FOR EACH ROW {_INSERT}
      ('object', CONCAT(NEW.archive_id, '/', NEW.generation), {_BY_FENCE})""",
)


@dataclass(frozen=True)
class Entry:
    """One line. `kind` is pass or take (of the fence `name`), purge (of a part) or object (journaled)."""

    kind: str
    name: str
    holder: str
    term: int
    passage: int
    session: str
    at: datetime


def watch_fences(server: Server, schema: str) -> None:
    """Make the log and its triggers in a schema that has our tables."""
    server.execute(_TABLE, *_TRIGGERS, database=schema)


def read_log(server: Server, schema: str) -> list[Entry]:
    rows = server.execute(
        "SELECT kind, name, holder, term, passage, session, at FROM chaos_log ORDER BY id", database=schema
    )
    return [Entry(*row) for row in rows]


def find_double_work(log: Iterable[Entry]) -> list[str]:
    """What two terms did, or somebody did past the fence, in sentences; empty where all is well."""
    passes: dict[str, list[Entry]] = defaultdict(list)
    takes: dict[str, list[Entry]] = defaultdict(list)
    work: list[Entry] = []
    for entry in log:
        {"pass": passes[entry.name], "take": takes[entry.name]}.get(entry.kind, work).append(entry)
    found: list[str] = []
    for name, entries in passes.items():
        found += _out_of_turn(name, entries, takes[name])
    return [*found, *_past_the_fence(work, passes["job:export"]), *_done_twice(work)]


def _out_of_turn(name: str, passes: list[Entry], takes: list[Entry]) -> list[str]:
    """Passages in the order of their numbers, which is that of their commits: no term may come back."""
    found = [
        f"passage {n} of {name} was made {c} times" for n, c in Counter(p.passage for p in passes).items() if c > 1
    ]
    ordered = sorted(passes, key=lambda entry: entry.passage)
    for before, after in pairwise(ordered):
        if after.term < before.term:
            found.append(f"term {after.term} of {name} worked after term {before.term}, at passage {after.passage}")
    for take in takes:
        late = [p for p in passes if p.passage > take.passage and p.term < take.term]
        found += [f"term {p.term} of {name} passed after term {take.term} had taken over" for p in late]
    holders = defaultdict(set)
    for entry in passes:
        holders[entry.term].add(entry.holder)
    found += [f"term {term} of {name} had several holders" for term, names in holders.items() if len(names) > 1]
    return found


def _past_the_fence(work: list[Entry], passes: list[Entry]) -> list[str]:
    makers = {entry.passage: entry.session for entry in passes}
    covered: dict[int, str] = {}
    return [
        f"{entry.kind} {entry.name} was committed past the fence, at passage {entry.passage}"
        for entry in work
        # A session that passed once and then works in another transaction bears the number of its old passage.
        if makers.get(entry.passage) != entry.session
        or covered.setdefault(entry.passage, _piece(entry)) != _piece(entry)
    ]


def _piece(entry: Entry) -> str:
    """What one transaction of an export works on: an object, or a slice with its parts."""
    archive_id, generation, *slice_number = entry.name.split("/")
    return "/".join([entry.kind, archive_id, *(slice_number or [generation])])


def _done_twice(work: list[Entry]) -> list[str]:
    counted = Counter((entry.kind, entry.name) for entry in work)
    return [f"{kind} {name} was done {times} times" for (kind, name), times in counted.items() if times > 1]
