"""Whatever is asked for, the view reads just those rows, wherever they are, and no row of the database twice."""

import io
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from servicemanager.archive.journal import Location
from servicemanager.iotdb.window import Calendar, Window
from servicemanager.lake.live import schema_of
from servicemanager.lake.promises import live_months
from servicemanager.lake.view import FactsView

TODAY = date(2026, 11, 20)
CALENDAR = Calendar(ZoneInfo("America/Sao_Paulo"))
SCHEMA = schema_of(SimpleNamespace(time=None))
#: Neighbours, the ends of months, what is long past and what a wrong clock dated.
DAYS = [TODAY - timedelta(days=n) for n in (500, 81, 80, 20, 19, 1, 0, -3)]


def rows_of(day: date) -> pa.Table:
    start = CALENDAR.start_of(day)
    columns = {name: pa.nulls(6, SCHEMA.field(name).type) for name in SCHEMA.names}
    columns["device"] = pa.array(["a", "a", "b", None, "ção", "b"]).dictionary_encode()
    columns["sensor"] = pa.array([0, 1, 0, None, 7, 1])
    columns["data"] = pa.array([5, -1, None, 3, 2**40, day.day])
    columns["creationDate"] = pa.array([start + timedelta(hours=4 * n) for n in range(6)]).cast(
        SCHEMA.field("creationDate").type
    )
    columns["creation_date"] = pa.array([day] * 6)
    return pa.table(columns, SCHEMA)


def object_of(rows: pa.Table) -> bytes:
    """Without one column, as it was before Facts had it."""
    sink = io.BytesIO()
    held = rows.drop_columns(["creation_date", "week_day"])
    pq.write_table(held, sink, row_group_size=2, write_page_checksum=True)
    return sink.getvalue()


ROWS = {day: rows_of(day) for day in DAYS}
OBJECTS = {day: object_of(rows) for day, rows in ROWS.items()}


@dataclass
class Halves:
    """The first days of DAYS are objects, the others are live; implements what the view needs of both."""

    archived: int
    schema: pa.Schema = SCHEMA
    copied: list[Window] = field(default_factory=list)

    @property
    def locations(self) -> list[Location]:
        return [Location(str(day), CALENDAR.day(day), day) for day in DAYS[: self.archived]]

    @property
    def stores(self) -> "Halves":
        return self

    def locate(self, url: str) -> tuple["Halves", str]:
        return self, url

    def read(self, key: str) -> bytes:
        return OBJECTS[date.fromisoformat(key)]

    def checkpoint(self) -> None:
        pass

    def copy(self, span: Window, path: Path) -> int:
        self.copied.append(span)
        arrived = pc.field("creationDate")
        live = pa.concat_tables([SCHEMA.empty_table(), *(ROWS[day] for day in DAYS[self.archived :])])
        found = live.filter((arrived >= span.start_at) & (arrived < span.end_at))
        if found.num_rows:
            pq.write_table(found, path)
        return found.num_rows


near = st.sampled_from([day + timedelta(days=n) for day in DAYS for n in (-1, 0, 1)])
instants = near.map(lambda day: datetime.combine(day, time(3), UTC))
values = {
    "creation_date": near,
    "creationDate": instants,
    "data": st.integers(-2, 6),
    "sensor": st.integers(0, 2),
    "device": st.sampled_from(["", "a", "b", "z"]),
}
compared = st.sampled_from(sorted(values)).flatmap(
    lambda name: st.builds(
        lambda how, value: how(pc.field(name), pc.scalar(value)),
        st.sampled_from([pc.equal, pc.not_equal, pc.less, pc.less_equal, pc.greater, pc.greater_equal]),
        values[name],
    )
)
missing = st.sampled_from(sorted(SCHEMA.names)).map(lambda name: pc.field(name).is_null())
filters = st.recursive(
    compared | missing,
    lambda inner: st.one_of(
        st.builds(lambda one, two: one & two, inner, inner),
        st.builds(lambda one, two: one | two, inner, inner),
        inner.map(lambda one: ~one),
    ),
    max_leaves=6,
)
columns = st.none() | st.lists(st.sampled_from(SCHEMA.names), min_size=1, unique=True)


def in_order(table: pa.Table) -> list[str]:
    return sorted(map(repr, table.to_pylist()))


@settings(max_examples=30)
@given(st.integers(0, len(DAYS)), st.lists(st.tuples(st.none() | filters, columns), min_size=1, max_size=2))
def test_any_filter_is_answered_by_just_its_rows(archived, questions):
    everything = pa.concat_tables(ROWS.values())
    halves = Halves(archived)
    with tempfile.TemporaryDirectory() as folder:
        months = live_months(CALENDAR, TODAY)
        view = FactsView(halves.locations, halves, months, Path(folder), archived=True)
        for rows, names in questions:
            found = view.scanner(columns=names, filter=rows).to_reader().read_all()
            expected = everything if rows is None else everything.filter(rows)
            assert found.schema == pa.schema([SCHEMA.field(name) for name in names or SCHEMA.names])
            assert in_order(found) == in_order(expected.select(names or SCHEMA.names))
    assert all(before.end_at <= after.start_at for before, after in pairwise(sorted(halves.copied)))


def test_of_days_that_are_not_asked_for_nothing_is_copied():
    halves = Halves(0)
    day = pc.field("creation_date")
    with tempfile.TemporaryDirectory() as folder:
        view = FactsView([], halves, live_months(CALENDAR, TODAY), Path(folder), archived=True)
        for asked in (
            day == TODAY,
            (day >= date(2026, 9, 30)) & (day <= date(2026, 10, 31)),
            day >= date(2026, 10, 31),
        ):
            view.scanner(columns=["data"], filter=asked).to_reader().read_all()
    start = CALENDAR.start_of
    assert halves.copied == [
        CALENDAR.day(TODAY),
        Window(start(date(2026, 9, 30)), start(date(2026, 11, 1))),
        Window(start(date(2026, 11, 1)), start(TODAY)),
        Window(start(TODAY + timedelta(days=1)), halves.copied[-1].end_at),
    ]
