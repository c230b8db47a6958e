"""Buckets that are not there, not ours, overloaded, or that keep nothing as it was put."""

from collections import Counter

import pytest

from servicemanager.archive.objects import open_store
from servicemanager.errors import BucketUnreachable
from servicemanager.iotdb.upgrade import upgrade
from support import badproxy
from support.exports import archived_rows, archived_tables, make_job, run
from support.iotdb import facts_ddl, mysql_iotdb, reading
from support.sites import Site, old_rows

ROWS = old_rows()
SLOW_DOWN = badproxy.answer_with(503, "SlowDown")


@pytest.fixture
def site(site) -> Site:
    """With rows."""
    site.iotdb.insert(ROWS)
    return site


def put(site: Site, s3_server, key: str, body: bytes) -> None:
    """As somebody else would, without our checksums and conditions."""
    s3_server.client.put_object(Bucket=site.environ["EXPORT_BUCKET"], Key=f"passagem/{key}", Body=body)


def remove(site: Site, s3_server, key: str) -> None:
    s3_server.client.delete_object(Bucket=site.environ["EXPORT_BUCKET"], Key=f"passagem/{key}")


def test_an_absent_bucket_is_named_before_anything_is_journaled(site):
    ran = site.export(EXPORT_BUCKET="nobody-made-this-bucket")
    assert ran.status == 4
    assert "s3://nobody-made-this-bucket/passagem/" in ran.sentence
    assert "does not exist" in ran.sentence
    assert "create it, or correct export.bucket" in ran.sentence
    assert site.iotdb.execute("SELECT COUNT(*) FROM sm_archive") == [(0,)]
    site.check_untouched(ROWS)
    site.finish(ROWS)


def test_an_endpoint_where_nobody_listens_is_named(site):
    ran = site.export(AWS_ENDPOINT="http://127.0.0.1:1")
    assert ran.status == 4
    assert "no connection to 127.0.0.1:1 lasts" in ran.sentence
    site.check_untouched(ROWS)


def test_a_forbidden_bucket_names_the_right_that_is_missing(site, bad_proxy):
    bad_proxy.plan("PUT", badproxy.answer_with(403, "AccessDenied"))
    ran = site.export(AWS_ENDPOINT=bad_proxy.url)
    assert ran.status == 4
    assert "access is forbidden: allow s3:PutObject" in ran.sentence
    site.check_untouched(ROWS)
    site.finish(ROWS)


@pytest.mark.parametrize("fault", [SLOW_DOWN, badproxy.reset_mid_upload, badproxy.lose_answer])
def test_an_upload_that_fails_on_its_way_is_tried_again_and_the_run_completes(site, bad_proxy, fault):
    marker = [badproxy.pass_on] * 2
    bad_proxy.plan("PUT", *marker, fault)
    ran = site.export(AWS_ENDPOINT=bad_proxy.url)
    assert (ran.status, ran.sentences) == (0, [])
    site.check_complete(ROWS)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [(SLOW_DOWN, "is overloaded: try again later"), (badproxy.reset_mid_upload, "no connection to .* lasts")],
)
def test_uploads_that_keep_failing_end_the_run_and_the_next_one_goes_on(
    site, bad_proxy, proxied_access, fault, sentence: str
):
    bad_proxy.plan("PUT", *[badproxy.pass_on] * 3, *[fault] * 2)
    hasty = open_store(site.store.url, proxied_access)
    job = make_job(site.iotdb, hasty, site.staging)
    upgrade(site.iotdb.database)
    with pytest.raises(BucketUnreachable, match=sentence):
        run(job)
    assert site.everything() == Counter(ROWS)
    site.finish(ROWS)


def test_a_store_that_ignores_conditions_gets_an_archive_and_no_purge(site, bad_proxy):
    bad_proxy.ignores_conditions = True
    ran = site.export(AWS_ENDPOINT=bad_proxy.url)
    assert ran.status == 1
    assert "If-None-Match" in ran.sentence
    assert "nothing is deleted" in ran.sentence.lower()
    assert site.iotdb.rows() == archived_rows(site.store) == Counter(ROWS)
    assert _decision(site) == "store_overwrites"
    site.finish(ROWS)
    assert _decision(site) == "yes"


def _decision(site: Site) -> str:
    return site.export("--dry-run", "--json").document["purge"]["decision"]


def test_garbage_under_an_objects_name_stops_that_window_and_no_other(site, s3_server):
    site.archive()
    (first, *_) = (key for key, _ in archived_tables(site.store))
    forget_objects(site)
    remove(site, s3_server, first)
    put(site, s3_server, first, b"this is no Parquet")
    ran = site.export()
    assert ran.status == 1
    assert f"{site.store.url}{first} can't be read as an object of this archive" in ran.sentence
    assert site.iotdb.rows() == Counter(ROWS[60:])
    remove(site, s3_server, first)
    site.finish(ROWS)


def test_another_windows_object_under_a_name_stops_that_window_and_no_other(site, s3_server):
    site.archive()
    first, second, _ = (key for key, _ in archived_tables(site.store))
    forget_objects(site)
    remove(site, s3_server, first)
    put(site, s3_server, first, site.store.read(second))
    (problem,) = run(make_job(site.iotdb, site.store, site.staging)).problems
    assert f"{site.store.url}{first} holds other rows than its name says" in problem
    assert "move it away, then run the export again" in problem
    assert site.iotdb.rows() == Counter(ROWS[60:])
    remove(site, s3_server, first)
    site.finish(ROWS)


def test_another_databases_object_under_a_name_stops_that_window_and_no_other(site, s3_server):
    site.archive()
    site.iotdb.execute("UPDATE sm_meta SET value='another' WHERE name='database_uuid'")
    forget_objects(site)
    remove(site, s3_server, "facts/_servicemanager.json")
    problems = run(make_job(site.iotdb, site.store, site.staging)).problems
    assert len(problems) == 3
    assert all("(database " in problem and "move it away" in problem for problem in problems)
    assert site.iotdb.rows() == Counter(ROWS)


def test_an_object_that_is_there_already_with_fewer_rows_is_kept_and_completed(site):
    site.archive()
    forget_objects(site)
    late = [reading(ROWS[0][12], data=77)]
    site.iotdb.insert(late)
    site.finish(ROWS + late)


def test_another_databases_prefix_is_refused(site, mysql_server, s3_server, tmp_path):
    site.archive()
    other = f"{site.environ['MYSQL_DATABASE']}_other"
    mysql_server.execute(
        f"CREATE DATABASE {other}", f"GRANT ALL ON {other}.* TO '{site.environ['MYSQL_USER']}'@'127.0.0.1'"
    )
    try:
        iotdb = mysql_iotdb(mysql_server, other, facts_ddl())
        iotdb.insert(ROWS)
        before = archived_rows(site.store)
        ran = site.export(MYSQL_DATABASE=other)
        assert ran.status == 1
        assert f"The archive at {site.store.url} belongs to another database" in ran.sentence
        assert "Choose another export.remoteDirectory" in ran.sentence
        assert iotdb.rows() == Counter(ROWS)
        assert archived_rows(site.store) == before
        iotdb.database.close()
    finally:
        mysql_server.execute(f"DROP DATABASE {other}")
    site.finish(ROWS)


def test_a_copy_of_the_database_in_another_schema_is_refused(site, mysql_server):
    site.export("--no-purge")
    schema = site.environ["MYSQL_DATABASE"]
    copy = f"{schema}_copy"
    mysql_server.execute(
        f"CREATE DATABASE {copy}", f"GRANT ALL ON {copy}.* TO '{site.environ['MYSQL_USER']}'@'127.0.0.1'"
    )
    try:
        for (table,) in mysql_server.execute(f"SHOW TABLES FROM {schema}"):
            mysql_server.execute(
                f"CREATE TABLE {copy}.{table} LIKE {schema}.{table}",
                f"INSERT INTO {copy}.{table} SELECT * FROM {schema}.{table}",
            )
        ran = site.export(MYSQL_DATABASE=copy)
        assert ran.status == 1
        assert f"This database is a copy: its archive was made from {schema}" in ran.sentence
        assert "servicemanager db adopt" in ran.sentence
        assert mysql_server.execute(f"SELECT COUNT(*) FROM {copy}.Facts") == [(len(ROWS),)]
    finally:
        mysql_server.execute(f"DROP DATABASE {copy}")
    site.finish(ROWS)


def forget_objects(site: Site) -> None:
    """As if the run had died between the puts and the journal."""
    site.iotdb.execute("DELETE FROM sm_archive_part", "DELETE FROM sm_archive_object")
