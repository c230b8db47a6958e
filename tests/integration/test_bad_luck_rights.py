"""Wrong logins, databases without the platform's tables, and accounts that lack a right."""

import re

import pytest

from servicemanager.iotdb.tables import ours
from servicemanager.iotdb.upgrade import upgrade
from support.sites import PASSWORD, Site, make_account, old_rows

ROWS = old_rows()


@pytest.fixture
def site(site) -> Site:
    """With rows."""
    site.iotdb.insert(ROWS)
    return site


def schema_of(site: Site) -> str:
    return site.environ["MYSQL_DATABASE"]


def place_of(site: Site) -> str:
    return f"127.0.0.1:{site.environ['MYSQL_PORT']}/{schema_of(site)}"


def test_a_wrong_password_is_told_at_once_and_never_shown(site):
    ran = site.export(MYSQL_PASSWORD=PASSWORD + "x")
    assert ran.status == 4
    assert f"The database at {place_of(site)} refuses the login" in ran.sentence
    assert "check MYSQL_USER and MYSQL_PASSWORD" in ran.sentence
    assert ran.seconds < 10
    site.check_untouched(ROWS)


@pytest.mark.parametrize("password", ["pässword", "пароль", "密码🔑"])
def test_a_password_in_any_script_is_the_right_one(site, mysql_server, password):
    make_account(mysql_server, f"ALL ON {schema_of(site)}.*", name=site.environ["MYSQL_USER"], password=password)
    site.complete(ROWS, MYSQL_PASSWORD=password)


def test_an_unknown_database_is_named(site, mysql_server):
    mysql_server.execute(f"GRANT ALL ON *.* TO '{site.environ['MYSQL_USER']}'@'127.0.0.1'")
    ran = site.export(MYSQL_DATABASE="nowhere")
    assert ran.status == 1
    assert "Unknown database 'nowhere'" in ran.sentence
    assert "check MYSQL_DATABASE" in ran.sentence


def test_a_mistyped_database_is_told_from_a_missing_right(site):
    """To an account with rights in one schema the server says of every other one that it may not enter."""
    ran = site.export(MYSQL_DATABASE="nowhere")
    assert ran.status == 1
    assert "nowhere" in ran.sentence
    assert "MYSQL_DATABASE" in ran.sentence


def test_a_database_without_facts_is_not_the_platforms(site):
    site.iotdb.execute("RENAME TABLE Facts TO Facts_old")
    ran = site.export()
    assert ran.status == 1
    assert f"There is no table Facts at {place_of(site)}: check MYSQL_DATABASE" in ran.sentence
    site.iotdb.execute("RENAME TABLE Facts_old TO Facts")
    site.check_untouched(ROWS)
    site.finish(ROWS)


def test_a_table_without_a_column_is_not_touched(site):
    site.iotdb.execute("ALTER TABLE Facts RENAME COLUMN sensor TO probe")
    ran = site.export()
    assert ran.status == 1
    assert f"The table Facts at {place_of(site)} lacks the column sensor" in ran.sentence
    site.iotdb.execute("ALTER TABLE Facts RENAME COLUMN probe TO sensor")
    site.check_untouched(ROWS)
    site.finish(ROWS)


def test_a_column_of_a_type_that_the_archive_cannot_keep_is_named(site):
    site.iotdb.execute("ALTER TABLE Facts MODIFY data DOUBLE NOT NULL")
    ran = site.export()
    assert ran.status == 1
    assert "columns of a type that the archive can't keep: data DOUBLE" in ran.sentence
    site.iotdb.execute("ALTER TABLE Facts MODIFY data INT NOT NULL")
    site.check_untouched(ROWS)


@pytest.mark.parametrize("host", ["127.0.0.1", "%"])
def test_without_the_right_to_make_our_tables_one_grant_is_printed_that_helps(site, mysql_server, host):
    """The server itself names the address that one comes from, which need not be the account's."""
    schema = schema_of(site)
    name = make_account(mysql_server, f"SELECT, DELETE ON {schema}.Facts", name=f"poor_{schema}"[-32:], host=host)
    try:
        ran = site.export(MYSQL_USER=name)
        assert ran.status == 1
        site.check_untouched(ROWS)
        mysql_server.execute(*printed_grants(ran.sentence))
        site.complete(ROWS, MYSQL_USER=name)
    finally:
        mysql_server.execute(f"DROP USER '{name}'@'{host}'")


def test_without_delete_on_facts_the_grant_is_printed_and_nothing_is_deleted(site, mysql_server):
    allow_only(site, "SELECT ON {}.Facts")
    ran = site.export()
    assert ran.status == 1
    assert f"The right DELETE is missing at {place_of(site)}" in ran.sentence
    assert site.iotdb.rows().total() == len(ROWS)
    mysql_server.execute(*printed_grants(ran.sentence))
    site.complete(ROWS)


def test_without_delete_on_facts_the_archive_is_made_where_nothing_is_to_be_deleted(site):
    allow_only(site, "SELECT ON {}.Facts")
    assert site.export(EXPORT_PURGE="false").status == 0
    assert site.everything().total() == 2 * len(ROWS)


def test_without_select_on_facts_the_grant_is_printed(site):
    allow_only(site)
    ran = site.export()
    assert ran.status == 1
    assert "Facts" in ran.sentence
    assert "rights of the user" in ran.sentence or printed_grants(ran.sentence)
    site.check_untouched(ROWS)


def allow_only(site: Site, *grants: str) -> None:
    """Our own tables are there and may be used; on the platform's the account has `grants` alone."""
    upgrade(site.iotdb.database)
    schema = schema_of(site)
    own = [f"SELECT, INSERT, UPDATE, DELETE ON {schema}.{table}" for table in ours.tables]
    rest = [grant.format(schema) for grant in grants]
    make_account(site.iotdb.server, *own, *rest, name=site.environ["MYSQL_USER"])


def printed_grants(sentence: str) -> list[str]:
    """The statements in an error, as an operator would copy them."""
    grants = re.findall(r"GRANT [^;]+;", sentence)
    assert grants, sentence
    return grants
