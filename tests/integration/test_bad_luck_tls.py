"""TLS to the database: what each mode accepts, and what is said when it does not."""

from collections.abc import Iterator

import pytest

from support.certificates import Authority
from support.iotdb import facts_ddl, mysql_iotdb
from support.mariadb import Server, private_server
from support.sites import Site, make_site, old_rows

ROWS = old_rows()
VERIFYING = ["verify_ca", "verify_identity"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"), "the right one")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"), "a stranger")


@pytest.fixture(scope="module")
def tls_server(authority) -> Iterator[Server]:
    """It lets nobody in without TLS, and its certificate is for the loopback's names."""
    with private_server(*authority.certify("localhost", "127.0.0.1")) as server:
        yield server


@pytest.fixture
def site(tls_server, s3_server, s3_bucket, tmp_path) -> Iterator[Site]:
    """Its account may log in with TLS only."""
    tls_server.execute("CREATE DATABASE iotdb")
    iotdb = mysql_iotdb(tls_server, "iotdb", facts_ddl())
    iotdb.insert(ROWS)
    made = make_site(iotdb, s3_server, s3_bucket, tmp_path)
    tls_server.execute(f"ALTER USER '{made.environ['MYSQL_USER']}'@'127.0.0.1' REQUIRE SSL")
    yield made
    iotdb.database.close()
    tls_server.execute("DROP DATABASE iotdb")


def test_an_account_that_requires_tls_is_not_let_in_without(site):
    ran = site.export(MYSQL_SSLMODE="disabled")
    assert ran.status == 4
    assert "refuses the login" in ran.sentence
    site.check_untouched(ROWS)


def test_required_encrypts_a_whole_export_and_looks_at_no_certificate(site):
    site.complete(ROWS, MYSQL_SSLMODE="required")


@pytest.mark.parametrize("mode", VERIFYING)
def test_a_verifying_mode_works_with_the_right_authority(site, authority, mode: str):
    site.complete(ROWS, MYSQL_SSLMODE=mode, MYSQL_SSLCA=authority.file)


def test_verify_identity_works_by_name_too(site, authority):
    site.complete(ROWS, MYSQL_SSLMODE="verify_identity", MYSQL_SSLCA=authority.file, MYSQL_HOST="localhost")


@pytest.mark.parametrize("mode", VERIFYING)
def test_a_wrong_authority_is_refused_at_once(site, stranger, mode: str):
    ran = site.export(MYSQL_SSLMODE=mode, MYSQL_SSLCA=stranger.file)
    check_certificate_refused(site, ran)


def test_without_an_authority_the_systems_own_decide(site):
    check_certificate_refused(site, site.export(MYSQL_SSLMODE="verify_ca"))


def check_certificate_refused(site: Site, ran) -> None:
    assert ran.status == 4
    assert f"127.0.0.1:{site.environ['MYSQL_PORT']}/iotdb" in ran.sentence
    assert "certificate" in ran.sentence
    assert "MYSQL_SSLCA" in ran.sentence
    assert ran.seconds < 10
    site.check_untouched(ROWS)


def test_a_file_of_authorities_that_is_missing_or_none_is_named(site):
    for name in ("missing.pem", "empty.pem"):
        (site.folder / "empty.pem").write_text("no certificate")
        ran = site.export(MYSQL_SSLMODE="verify_ca", MYSQL_SSLCA=site.folder / name)
        assert ran.status in {2, 4}
        assert name in ran.sentence
        assert "MYSQL_SSLCA" in ran.sentence


def test_a_certificate_in_another_name_passes_verify_ca_alone(site, s3_server, tmp_path, authority):
    options = authority.certify("db.example.com")
    with private_server(*options) as elsewhere:
        elsewhere.execute("CREATE DATABASE iotdb")
        iotdb = mysql_iotdb(elsewhere, "iotdb", facts_ddl())
        iotdb.insert(ROWS)
        folder = tmp_path / "elsewhere"
        folder.mkdir()
        other = make_site(iotdb, s3_server, s3_server.make_bucket(), folder)
        trusting = {"MYSQL_SSLCA": authority.file}
        ran = other.export(MYSQL_SSLMODE="verify_identity", **trusting)
        assert ran.status == 4
        assert "certificate" in ran.sentence
        other.check_untouched(ROWS)
        other.complete(ROWS, MYSQL_SSLMODE="verify_ca", **trusting)
        iotdb.database.close()


def test_a_server_without_tls_is_refused_where_tls_is_required(site, mysql_server, mysql_database):
    mysql_server.execute(f"GRANT ALL ON {mysql_database}.* TO 'plain'@'127.0.0.1' IDENTIFIED BY 'plain'")
    try:
        ran = site.export(
            MYSQL_SSLMODE="required",
            MYSQL_PORT=mysql_server.port,
            MYSQL_DATABASE=mysql_database,
            MYSQL_USER="plain",
            MYSQL_PASSWORD="plain",
        )
    finally:
        mysql_server.execute("DROP USER 'plain'@'127.0.0.1'")
    assert ran.status == 4
    assert "TLS" in ran.sentence
    assert "MYSQL_SSLMODE" in ran.sentence
