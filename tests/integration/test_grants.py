"""The rights that the reference lists are enough, and none of them can be spared."""

import json
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from servicemanager.archive.folder import FolderStore
from servicemanager.archive.journal import Journal
from servicemanager.archive.objects import ObjectStore, open_store
from servicemanager.archive.proof import Stores
from servicemanager.archive.restore import RestoreJob
from servicemanager.archive.s3 import S3Access
from servicemanager.archive.verify import Days, Summary, Verifier, known_objects
from servicemanager.errors import BucketUnreachable, DatabaseRefused, LeaseHeld
from servicemanager.housekeeping.job import HousekeepingJob
from servicemanager.iotdb.engine import database_uuid
from servicemanager.iotdb.mysql import open_mysql
from servicemanager.iotdb.tables import ours
from servicemanager.iotdb.upgrade import upgrade
from support.cli import servicemanager
from support.docs import blocks
from support.exports import archived_rows, days_ago, make_job, run
from support.grants import (
    ACCOUNTS,
    ALWAYS,
    GRANT,
    HEALTH,
    INDEX,
    INTO_A_TABLE,
    INTO_FACTS,
    PARTITIONS,
    RIGHTS,
    give,
    grants,
)
from support.housekeeping import OLD_ROWS
from support.iotdb import ZONE, Iotdb, facts_ddl, mysql_iotdb, reading, sqlite_iotdb
from support.messages import MESSAGES, make_cleanup
from support.sites import PASSWORD, Site
from support.statistics import DDL, publish

POLICY = next(text for text in blocks(RIGHTS, "json") if '"Allow"' in text)

ROWS = [reading(days_ago(day), data=n % 4) for day in (3, 2, 1) for n in range(9)]
DAYS = Days(days_ago(3).date(), days_ago(1).date())
RANGE = ["--from", DAYS.first.isoformat(), "--to", DAYS.last.isoformat()]


@pytest.fixture
def guest(mysql_server, mysql_database) -> Iterator[str]:
    """An account without rights."""
    name = f"guest_{mysql_database}"[-32:]
    mysql_server.execute(f"CREATE USER '{name}'@'%' IDENTIFIED BY '{PASSWORD.replace(chr(92), chr(92) * 2)}'")
    yield name
    mysql_server.execute(f"DROP USER '{name}'@'%'")


def test_the_page_has_a_grant_in_every_line_that_begins_like_one():
    for text in (ALWAYS, INTO_A_TABLE, INTO_FACTS, INDEX, HEALTH, ACCOUNTS):
        assert text.count("GRANT ") == len(GRANT.findall(text)) >= 1


def test_an_account_with_the_listed_rights_can_do_everything(site: Site, mysql_server, guest):
    schema = site.environ["MYSQL_DATABASE"]
    environ = site.environ | {"MYSQL_USER": guest}

    def command(*arguments: str):
        ran = servicemanager(*arguments, environ=environ, folder=site.folder)
        assert (ran.status, ran.sentences) == (0, []), ran.stderr
        return ran

    site.iotdb.execute(DDL, *MESSAGES)
    site.iotdb.insert(ROWS)
    give(mysql_server, schema, guest, grants(ALWAYS))
    command("db", "check")
    command("export", "--dry-run")
    command("export")
    site.iotdb.insert(ROWS[:2])
    command("export")
    assert archived_rows(site.store) == Counter(ROWS + ROWS[:2])
    assert site.iotdb.rows() == Counter()
    assert "sound" in command("verify").stdout
    command("query", "SELECT count(*) FROM facts")
    command("db", "adopt")
    command("statistics")
    command("statistics", "--diff")
    command("messages")
    command("run-job", "housekeeping")
    give(mysql_server, schema, guest, grants(INTO_A_TABLE))
    command("restore", *RANGE)
    give(mysql_server, schema, guest, grants(INTO_FACTS))
    command("restore", *RANGE, "--into", "Facts")
    assert site.iotdb.rows() == Counter(ROWS + ROWS[:2])


def test_an_account_with_the_rights_for_it_adds_the_index(site: Site, mysql_server, guest):
    site.iotdb.execute("ALTER TABLE Facts DROP INDEX arrival")
    site.iotdb.execute(DDL, *MESSAGES)
    give(mysql_server, site.environ["MYSQL_DATABASE"], guest, grants(ALWAYS, INDEX))
    environ = site.environ | {"MYSQL_USER": guest}
    ran = servicemanager("db", "upgrade", "--facts-index", environ=environ, folder=site.folder)
    assert (ran.status, ran.sentences) == (0, []), ran.stderr
    assert site.iotdb.facts().shape.indexed


def test_an_account_with_the_rights_for_it_lets_whole_partitions_go(site: Site, mysql_server, guest):
    schema = site.environ["MYSQL_DATABASE"]
    site.iotdb.execute(DDL, *MESSAGES)
    site.iotdb.insert(ROWS)
    give(mysql_server, schema, guest, grants(ALWAYS))
    for statement in filter(str.strip, PARTITIONS.split(";")):
        mysql_server.execute(statement.replace("IOTDB", schema).replace("'servicemanager'", f"'{guest}'"))
    environ = site.environ | {"MYSQL_USER": guest}
    ran = servicemanager("db", "partition", "--apply", environ=environ, folder=site.folder)
    assert (ran.status, ran.sentences) == (0, []), ran.stderr
    ran = servicemanager("export", "--json", environ=environ, folder=site.folder)
    assert (ran.status, json.loads(ran.stdout)["notices"]) == (0, []), ran.stderr
    assert json.loads(ran.stdout)["counts"]["partitions_dropped"] == 3
    assert archived_rows(site.store) == Counter(ROWS)
    assert site.iotdb.rows() == Counter()


@pytest.fixture
def iotdb(mysql_server, mysql_database) -> Iterator[Iotdb]:
    """With our own tables."""
    made = mysql_iotdb(mysql_server, mysql_database, facts_ddl())
    made.execute(DDL, *MESSAGES)
    upgrade(made.database)
    yield made
    made.database.close()


def start_again(iotdb: Iotdb) -> None:
    """As after an installation; the empty sm_migration lets the tables be made once more, where that is allowed."""
    iotdb.execute(*(f"DELETE FROM {name}" for name in ours.tables), "DELETE FROM Facts")
    iotdb.execute("DROP TABLE IF EXISTS Facts_restored", MESSAGES[-1], *OLD_ROWS)
    iotdb.insert(ROWS)


def test_none_of_the_rights_can_be_spared(iotdb, mysql_server, guest, staging, tmp_path):
    schema, needless = iotdb.login.database, []
    give(mysql_server, schema, guest, grants(ALWAYS, INTO_A_TABLE))
    for number, (right, table) in enumerate([("no right", ""), *grants(ALWAYS)]):
        start_again(iotdb)
        store = FolderStore(tmp_path / str(number))
        if table:
            mysql_server.execute(f"REVOKE {right} ON `{schema}`.`{table}` FROM '{guest}'@'%'")
        try:
            use_everything(iotdb, guest, store, staging)
            needless.append((right, table))
        except (DatabaseRefused, LeaseHeld):
            assert iotdb.rows() + archived_rows(store) >= Counter(ROWS)
        if table:
            give(mysql_server, schema, guest, [(right, table)])
    assert needless == [("no right", "")]


def use_everything(iotdb: Iotdb, account: str, store: ObjectStore, staging) -> None:
    """Every job but those of the health check, verify and restore, as this account."""
    database = open_mysql(replace(iotdb.login, user=account, password=PASSWORD))
    try:
        upgrade(database)
        mine = replace(iotdb, database=database)
        run(make_job(mine, store, staging, no_purge=True))
        iotdb.insert(ROWS[:1])
        for wishes in ({"found": bool}, {}, {"rebuild": True}):
            assert publish(mine, store, **wishes).problems == ()
        run(make_job(mine, store, staging))
        run(make_cleanup(mine))
        run(HousekeepingJob(database), asked_by="maria")
        journal, stores = Journal(database), Stores(store, open_store)

        def note(known) -> None:
            with database.transaction() as tx:
                journal.mark_verified(tx, known.archive_id, known.object.generation, database.now(tx))

        known = known_objects(journal)
        assert Summary.of(Verifier(stores, database_uuid(database), known, on_sound=note).run()).is_fine
        run(RestoreJob(database, stores, DAYS, "Facts_restored", ZONE))
    finally:
        database.close()


@contextmanager
def policy_in_force(server, policy: dict) -> Iterator[S3Access]:
    """Keys of a user with this policy, on a server that now asks for them."""
    import boto3

    def authorise_after(requests: str) -> None:
        address = f"{server.url}/moto-api/reset-auth"
        headers = {"Content-Type": "text/plain"}
        urllib.request.urlopen(urllib.request.Request(address, requests.encode(), headers)).close()  # noqa: S310

    access = server.access
    iam = boto3.client(
        "iam",
        region_name="us-east-1",
        endpoint_url=server.url,
        aws_access_key_id=access.access_key_id,
        aws_secret_access_key=access.secret_access_key,
    )
    iam.create_user(UserName="servicemanager")
    iam.put_user_policy(UserName="servicemanager", PolicyName="archive", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="servicemanager")["AccessKey"]
    authorise_after("0")
    try:
        yield replace(access, access_key_id=key["AccessKeyId"], secret_access_key=key["SecretAccessKey"])
    finally:
        authorise_after("1e18")
        iam.delete_access_key(UserName="servicemanager", AccessKeyId=key["AccessKeyId"])
        iam.delete_user_policy(UserName="servicemanager", PolicyName="archive")
        iam.delete_user(UserName="servicemanager")


def export_and_verify(bucket: str, access: S3Access, folder, staging) -> Summary:
    iotdb = sqlite_iotdb(folder / "iotdb.sqlite")
    try:
        upgrade(iotdb.database)
        iotdb.insert(ROWS)
        store = open_store(f"s3://{bucket}/passagem/", access)
        run(make_job(iotdb, store, staging, csv=True))
        known = known_objects(Journal(iotdb.database))
        return Summary.of(Verifier(Stores(store, open_store), database_uuid(iotdb.database), known).run())
    finally:
        iotdb.database.close()


def test_the_policy_is_enough(s3_server, s3_bucket, tmp_path, staging):
    policy = json.loads(POLICY.replace("archive-of-shops", s3_bucket))
    with policy_in_force(s3_server, policy) as access:
        assert export_and_verify(s3_bucket, access, tmp_path, staging).verdicts == Counter(sound=3)


@pytest.mark.parametrize("action", ["s3:PutObject", "s3:GetObject", "s3:ListBucket"])
def test_no_action_of_the_policy_can_be_spared(action, s3_server, s3_bucket, tmp_path, staging):
    policy = json.loads(POLICY.replace("archive-of-shops", s3_bucket))
    for statement in policy["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        statement["Action"] = [each for each in actions if each != action] or ["s3:GetBucketLocation"]
    with policy_in_force(s3_server, policy) as access, pytest.raises(BucketUnreachable, match=action):
        export_and_verify(s3_bucket, access, tmp_path, staging)
