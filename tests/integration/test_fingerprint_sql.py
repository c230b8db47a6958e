"""What the database counts is what the decoded rows say: for any rows, in every form of the table."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from servicemanager.iotdb.fingerprint import fingerprint_slices, total
from servicemanager.iotdb.stored import snap
from servicemanager.iotdb.window import SECOND, Window
from support.forms import Form, database_of, empty
from support.rows import INT_MAX, INT_MIN, LONG_MAX, LONG_MIN, multiset, tables_of

FORMS = [
    Form("sqlite"),
    Form("timestamp"),
    Form("timestamp(6), unindexed", "TIMESTAMP(6)", indexed=False),
    Form("datetime, unindexed", "DATETIME", indexed=False),
    Form("datetime(6), bigint", "DATETIME(6)", integers="BIGINT"),
]
EARLIEST, LATEST = datetime(1970, 1, 1, 0, 0, 1), datetime(2038, 1, 18)
#: Often within the same few seconds, where slices are cut.
arrivals = st.builds(lambda second: datetime(2026, 11, 20, 3) + timedelta(seconds=second), st.integers(0, 5))


def arrivals_of(form: Form) -> st.SearchStrategy[datetime]:
    """Whatever the column can hold, whole seconds where it keeps no others."""
    low, high = (datetime(1000, 1, 2), datetime(9999, 12, 30)) if "DATETIME" in form.kind else (EARLIEST, LATEST)
    drawn = arrivals | st.datetimes(low, high)
    return drawn if "(6)" in form.kind else drawn.map(lambda arrival: arrival.replace(microsecond=0))


def rows_of(form: Form) -> st.SearchStrategy[list]:
    low, high = (LONG_MIN, LONG_MAX) if form.integers == "BIGINT" else (INT_MIN, INT_MAX)
    return tables_of(arrivals_of(form), nullable=True, low=low, high=high)


@pytest.fixture(scope="module", params=FORMS, ids=lambda form: form.name)
def form(request) -> Form:
    return request.param


@pytest.fixture(scope="module")
def iotdb(form, request):
    server = None if form.embedded else request.getfixturevalue("mysql_server")
    with database_of(form, server) as made:
        yield made


def span(facts, rows) -> Window:
    """A window of all rows, and a little more."""
    first, last = min(row[12] for row in rows), max(row[12] for row in rows)
    return facts.time.to_window(first.replace(microsecond=0), last.replace(microsecond=0) + 2 * SECOND)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_database_and_decoded_rows_agree_on_every_slice(form, iotdb, data):
    rows = data.draw(rows_of(form).filter(bool))
    empty(iotdb)
    iotdb.insert(rows)
    facts = iotdb.facts()
    window = span(facts, rows)
    instants = data.draw(
        st.lists(arrivals, max_size=3).map(lambda cuts: [facts.time.to_window(c, c + SECOND).start_at for c in cuts])
    )
    cuts = sorted({snap(facts.time, cut) for cut in instants if window.start_at < cut < window.end_at})
    read = facts.read(window)
    windows = [Window(a, b) for a, b in pairwise([window.start_at, *cuts, window.end_at])]
    with iotdb.database.reading() as connection:
        counted = facts.fingerprints(connection, windows)
    assert multiset(read) == Counter(rows)
    assert counted == fingerprint_slices(read, [facts.micros(cut) for cut in cuts])
    with iotdb.database.transaction() as tx:
        assert facts.fingerprints(tx, [window], lock=True) == [total(counted)]
        assert facts.delete(tx, window) == len(rows)
