"""Our own tables: made by migrations exactly as the code describes them, and the platform's left alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from servicemanager.errors import DatabaseRefused
from servicemanager.iotdb import tables
from servicemanager.iotdb.engine import Database, database_uuid
from servicemanager.iotdb.mysql import open_mysql
from servicemanager.iotdb.sqlite import open_sqlite
from servicemanager.iotdb.upgrade import MIGRATIONS, upgrade
from support.iotdb import Iotdb, facts_ddl, mysql_iotdb, reading, sqlite_iotdb
from support.races import race, race_processes

LATEST = len(MIGRATIONS)
OURS = {table.name for table in tables.ours.sorted_tables}


@pytest.fixture(params=["sqlite", "mariadb"])
def platform(request, tmp_path) -> Iterator[Iotdb]:
    """The platform's database, in which we never were."""
    if request.param == "sqlite":
        made = sqlite_iotdb(tmp_path / "iotdb.sqlite")
    else:
        name = request.getfixturevalue("mysql_database")
        made = mysql_iotdb(request.getfixturevalue("mysql_server"), name, facts_ddl(nullable=True))
    made.insert([reading(), reading()])
    yield made
    made.database.close()


@pytest.fixture
def database(platform) -> Database:
    return platform.database


def found_tables(database: Database) -> set[str]:
    with database.reading() as connection:
        return set(sa.inspect(connection).get_table_names())


def kind(column: dict) -> tuple:
    """The family of a column's type, how long a text and how precise a time it holds, and whether it may be NULL."""
    of = column["type"]
    nullable = column["nullable"] and not column["primary_key"]
    return of._type_affinity.__name__, getattr(of, "length", None), getattr(of, "fsp", None), nullable


def reflected(database: Database) -> dict[str, object]:
    """Our tables as they are: columns in order, keys and what must be unique."""
    found: dict[str, object] = {}
    with database.reading() as connection:
        inspector = sa.inspect(connection)
        for name in sorted(OURS):
            key = inspector.get_pk_constraint(name)["constrained_columns"]
            columns = [(c["name"], *kind({**c, "primary_key": c["name"] in key})) for c in inspector.get_columns(name)]
            unique = sorted(u["column_names"] for u in inspector.get_unique_constraints(name))
            found[name] = {"columns": columns, "key": key, "unique": unique}
    return found


def versions(database: Database) -> list[int]:
    with database.reading() as connection:
        return list(connection.execute(sa.select(tables.migration.c.version)).scalars())


def test_migrations_make_the_tables_that_the_code_describes(database):
    upgrade(database)
    made = reflected(database)
    with database.transaction() as tx:
        tables.ours.drop_all(tx)
        tables.ours.create_all(tx)
    described = reflected(database)
    for name in OURS:
        assert made[name] == described[name]


def test_a_second_upgrade_has_nothing_to_do(database):
    assert upgrade(database) == LATEST
    with database.transaction() as tx:
        tx.execute(tables.meta.insert().values(name="kept", value="as it was"))
    assert upgrade(database) == 0
    assert versions(database) == list(range(1, LATEST + 1))
    with database.reading() as connection:
        assert connection.execute(sa.select(tables.meta)).all() == [("kept", "as it was")]


def definitions(platform: Iotdb) -> list:
    """How the platform's tables were made, word for word."""
    if platform.database.dialect == "sqlite":
        return platform.execute("SELECT name, sql FROM sqlite_master WHERE tbl_name NOT LIKE 's%' ORDER BY name")
    return platform.execute("SHOW CREATE TABLE Facts")


def test_the_platforms_tables_are_left_as_they_are(platform):
    before, names = definitions(platform), found_tables(platform.database)
    upgrade(platform.database)
    assert definitions(platform) == before
    assert platform.rows()[reading()] == 2
    assert found_tables(platform.database) == names | OURS | ({"sqlite_sequence"} & found_tables(platform.database))


def test_the_tables_of_a_newer_program_are_refused(database):
    upgrade(database)
    with database.transaction() as tx:
        tx.execute(tables.migration.insert().values(version=LATEST + 1, applied_at=database.now(tx)))
    with pytest.raises(DatabaseRefused, match=f"version {LATEST + 1} .* only version {LATEST}: update this instance"):
        upgrade(database)


def test_an_upgrade_that_was_killed_half_way_begins_again(platform):
    upgrade(platform.database)
    platform.execute("DROP TABLE sm_archive_part", "DROP TABLE sm_archive_object", "DELETE FROM sm_migration")
    assert upgrade(platform.database) == LATEST
    assert found_tables(platform.database) >= OURS
    platform.execute("DROP TABLE sm_migration")
    assert upgrade(platform.database) == LATEST


def second(platform: Iotdb) -> Database:
    """The same database, opened by another instance."""
    return open_sqlite(platform.path) if platform.path else open_mysql(platform.login)


def test_many_instances_may_upgrade_at_once(platform):
    for _ in range(3):
        databases = [second(platform) for _ in range(4)]
        applied = race(lambda number, its=databases: upgrade(its[number]), 4)
        for database in databases:
            database.close()
        assert set(applied) <= set(range(LATEST + 1))
        assert versions(platform.database) == list(range(1, LATEST + 1))
        platform.execute(*(f"DROP TABLE {name}" for name in OURS))


def test_many_instances_may_open_the_embedded_database_at_once(tmp_path):
    for attempt in range(8):
        opened = race(lambda _, path=tmp_path / f"{attempt}.sqlite": open_sqlite(path).close(), 4)
        assert opened == [None] * 4


_PROCESS = """
import sys
from pathlib import Path
from servicemanager.iotdb.mysql import Login, open_mysql
from servicemanager.iotdb.sqlite import open_sqlite
from servicemanager.iotdb.upgrade import upgrade
where, port, user, password, name = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
database = open_sqlite(Path(where)) if port == "0" else open_mysql(Login(((where, int(port)),), user, name, password))
print(upgrade(database))
"""


def test_two_processes_may_upgrade_at_once(platform):
    if platform.path:
        arguments = [str(platform.path), "0", "", "", ""]
    else:
        server = platform.server
        arguments = [server.host, str(server.port), server.user, server.password, platform.login.database]
    assert set(race_processes(_PROCESS, arguments, 2)) <= {str(number) for number in range(LATEST + 1)}
    assert upgrade(platform.database) == 0


def test_a_database_bears_one_name_however_many_ask_for_it_first(platform):
    upgrade(platform.database)
    for _ in range(3):
        platform.execute("DELETE FROM sm_meta")
        assert len(set(race(lambda _: database_uuid(platform.database), 6))) == 1
