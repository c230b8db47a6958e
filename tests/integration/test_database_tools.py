"""`db check` and `db upgrade`, over every form of the table."""

from contextlib import closing

import pytest

from servicemanager.errors import DatabaseBusy
from servicemanager.iotdb.check import Grade, add_facts_index, check
from servicemanager.iotdb.upgrade import upgrade
from servicemanager.iotdb.window import EPOCH
from support.exports import days_ago
from support.iotdb import facts_ddl, mysql_iotdb, reading


def findings(iotdb, cutoff=None) -> dict:
    facts = iotdb.facts()
    cutoff = cutoff or facts.time.to_window(days_ago(0, 0), days_ago(0, 1)).start_at
    return {finding.what: finding for finding in check(iotdb.database, facts, cutoff)}


def test_a_check_says_how_many_rows_are_past_their_retention(iotdb):
    iotdb.insert([reading(days_ago(day)) for day in (0, 1, 2, 2)])
    found = findings(iotdb)
    assert found["rows past retention"].found == "3"
    assert found["rows not due yet"].found == "1"
    assert found["oldest creationDate, as stored"].found == str(days_ago(2))
    assert not [finding for finding in found.values() if finding.grade is Grade.PROBLEM]


@pytest.mark.parametrize("iotdb", ["timestamp-unindexed", "datetime-unindexed"], indirect=True)
def test_a_missing_index_is_advised_and_added_when_asked(iotdb):
    assert findings(iotdb)["index on creationDate"].grade is Grade.ADVICE
    add_facts_index(iotdb.database)
    assert findings(iotdb)["index on creationDate"].grade is Grade.FINE


@pytest.mark.parametrize("iotdb", ["timestamp-unindexed"], indirect=True)
def test_a_long_transaction_makes_the_index_wait_only_so_long(iotdb):
    iotdb.insert([reading()])
    with closing(iotdb.server.connect(iotdb.login.database)) as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM Facts")
        with pytest.raises(DatabaseBusy):
            add_facts_index(iotdb.database, wait_seconds=1)
    assert not iotdb.facts().shape.indexed


def test_other_columns_and_dateless_rows_are_problems(mysql_server, mysql_database):
    iotdb = mysql_iotdb(mysql_server, mysql_database, facts_ddl(nullable=True))
    upgrade(iotdb.database)
    iotdb.insert([(*reading()[:12], None)])
    iotdb.execute("ALTER TABLE Facts ADD COLUMN humidity INT")
    found = findings(iotdb, EPOCH)
    assert found["other columns of Facts"].grade is Grade.PROBLEM
    assert found["rows without a date"].found == "1"
    iotdb.database.close()


def test_what_may_not_be_looked_at_is_said_to_be_unknown_and_a_missing_right_named(mysql_server, mysql_database):
    made = mysql_iotdb(mysql_server, mysql_database, facts_ddl())
    upgrade(made.database)
    user = f"reader_{mysql_database[-12:]}"
    mysql_server.execute(
        f"CREATE USER {user} IDENTIFIED BY 'hush'",
        f"GRANT SELECT ON {mysql_database}.* TO {user}",
    )
    from servicemanager.iotdb.mysql import Login, open_mysql

    login = Login(((mysql_server.host, mysql_server.port),), user, mysql_database, "hush")
    limited = open_mysql(login)
    found = {f.what: f for f in check(limited, made.facts().__class__.open(limited, "UTC"), EPOCH)}
    assert found["long transactions"].grade is Grade.UNKNOWN
    assert "GRANT DELETE ON" in found["rights"].advice
    assert "hush" not in str(found)
    limited.close()
    made.database.close()
    mysql_server.execute(f"DROP USER {user}")
