"""Restores into tables that can't hold what comes back, from archives with gaps; an index that has to wait."""

from __future__ import annotations

from collections import Counter
from contextlib import closing

import pytest

from servicemanager.archive.restore import Source
from servicemanager.errors import ArchiveRefused, DatabaseRefused
from support.cli import start
from support.exports import archived_rows, archived_tables, days_ago, make_job, restore, rows_of_table, run
from support.iotdb import reading
from support.sites import old_rows

FORMS = pytest.mark.parametrize("iotdb", ["sqlite", "timestamp"], indirect=True)
ON_MARIADB = pytest.mark.parametrize("iotdb", ["timestamp"], indirect=True)
IN_A_FOLDER = pytest.mark.parametrize("store", ["folder"], indirect=True)
ROWS = [*old_rows(8), reading(days_ago(2), data=2**31 - 1), reading(days_ago(1), device="naïve 😀  ")]


@pytest.fixture
def archived(iotdb, store, staging):
    """Everything archived and purged."""
    iotdb.insert(ROWS)
    run(make_job(iotdb, store, staging))
    assert iotdb.rows() == Counter()
    return store


@ON_MARIADB
@IN_A_FOLDER
@pytest.mark.parametrize(
    ("change", "word"),
    [
        ("MODIFY device CHAR(20) NOT NULL", "device is of another type"),
        ("MODIFY creationDate DATETIME NOT NULL", "creationDate is of another type"),
        ("ENGINE=MyISAM", "not a table with transactions"),
        ("ADD UNIQUE (device, data)", "unique key"),
        ("ADD PRIMARY KEY (device, sensor, creationDate)", "unique key"),
    ],
)
def test_a_table_that_would_change_or_lose_readings_without_a_word_is_refused(iotdb, archived, change, word):
    iotdb.execute("CREATE TABLE mine LIKE Facts", f"ALTER TABLE mine {change}")
    with pytest.raises(ArchiveRefused, match=word):
        restore(iotdb, archived, "mine")
    assert rows_of_table(iotdb, "mine") == Counter()


@ON_MARIADB
@IN_A_FOLDER
@pytest.mark.parametrize(
    ("change", "column"),
    [("data TINYINT NOT NULL", "data"), ("device VARCHAR(5) NOT NULL", "device")],
)
def test_what_is_too_wide_for_the_table_ends_the_restore_until_it_is_widened(iotdb, archived, change, column):
    iotdb.execute("CREATE TABLE mine LIKE Facts", f"ALTER TABLE mine MODIFY {change}")
    with pytest.raises(DatabaseRefused, match=column):
        restore(iotdb, archived, "mine", chunk_rows=5)
    assert rows_of_table(iotdb, "mine") < Counter(ROWS)
    iotdb.execute("ALTER TABLE mine MODIFY data INT NOT NULL, MODIFY device VARCHAR(20) NOT NULL")
    restore(iotdb, archived, "mine", chunk_rows=5)
    assert rows_of_table(iotdb, "mine") == Counter(ROWS)


@FORMS
@IN_A_FOLDER
@pytest.mark.parametrize("statement", ["DROP TABLE Facts_restored", "DELETE FROM Facts_restored"])
def test_a_table_that_was_dropped_or_emptied_is_filled_anew(iotdb, archived, statement):
    restore(iotdb, archived)
    iotdb.execute(statement)
    assert restore(iotdb, archived).counts["rows_restored"] == len(ROWS)
    assert rows_of_table(iotdb, "Facts_restored") == Counter(ROWS)


@FORMS
@IN_A_FOLDER
@pytest.mark.parametrize("name", ["facts", "FACTS"])
def test_facts_by_another_spelling_is_refused_for_the_journal_would_not_know(iotdb, archived, name):
    with pytest.raises(ArchiveRefused, match="write Facts"):
        restore(iotdb, archived, name)
    assert iotdb.rows() == Counter()


@FORMS
@IN_A_FOLDER
def test_an_object_that_goes_between_the_listing_and_its_reading_is_named(iotdb, archived):
    first = next(key for key, _ in archived_tables(archived))

    class Going:
        """A store whose first object is gone when it is read."""

        def __getattr__(self, name):
            return getattr(archived, name)

        def read(self, key):
            if key == first:
                (archived._root / key).unlink()
            return archived.read(key)

    result = restore(iotdb, Going(), source=Source.BUCKET)
    (problem,) = result.problems
    assert first in problem
    assert rows_of_table(iotdb, "Facts_restored") == archived_rows(archived)


def test_the_command_says_which_object_is_gone_and_ends_with_status_1(site):
    rows = old_rows()
    site.iotdb.insert(rows)
    site.complete(rows)
    lost = next(key for key, _ in archived_tables(site.store))
    body = site.store.read(lost)
    asked = ("restore", "--from", str(days_ago(9).date()), "--to", str(days_ago(0).date()))
    site.store._client.delete_object(Bucket=site.store._bucket, Key=site.store._prefix + lost)
    ran = start(*asked, environ=site.environ, folder=site.folder).wait()
    assert ran.status == 1
    assert lost in ran.stderr
    assert rows_of_table(site.iotdb, "Facts_restored") == archived_rows(site.store)
    site.store._client.put_object(Bucket=site.store._bucket, Key=site.store._prefix + lost, Body=body)
    ran = start(*asked, environ=site.environ, folder=site.folder).wait()
    assert ran.status == 0, ran.stderr
    assert rows_of_table(site.iotdb, "Facts_restored") == Counter(rows)


def test_an_index_that_a_long_transaction_blocks_is_refused_soon_and_in_words(site):
    site.iotdb.execute("ALTER TABLE Facts DROP INDEX arrival")
    with closing(site.iotdb.server.connect(site.iotdb.login.database)) as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT COUNT(*) FROM Facts")
        ran = start("db", "upgrade", "--facts-index", environ=site.environ, folder=site.folder).wait()
    assert ran.status == 1
    assert "The index was not added, and nothing was changed" in ran.sentence
    assert "db check" in ran.sentence
    assert not site.iotdb.facts().shape.indexed
    ran = start("db", "upgrade", "--facts-index", environ=site.environ, folder=site.folder).wait()
    assert ran.status == 0, ran.stderr
    assert site.iotdb.facts().shape.indexed
