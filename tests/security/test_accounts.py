"""The platform's accounts, sessions that hold on every instance, and what becomes of both without a database."""

from __future__ import annotations

import base64
import hashlib
import time

import pytest

from servicemanager.config import Web
from servicemanager.errors import DatabaseUnreachable
from servicemanager.iotdb.upgrade import upgrade
from servicemanager.web.gate.accounts import FRESH, rights_of
from support.cli import until
from support.iotdb import facts_ddl, mysql_iotdb
from support.web import HTML, PASSWORD, USER, basic, one_user, site, words

TABLE = """CREATE TABLE User (ID INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(60), email VARCHAR(60) UNIQUE,
  role VARCHAR(20) DEFAULT 'user', password VARCHAR(255), salt VARCHAR(255)) DEFAULT CHARSET=utf8mb4"""
ROLES = {"ana": "admin", "ugo": "user", "gil": "guest", "ida": "auditor", "nil": "", "ada": "ADMIN "}


def hashed(password: str, salt: bytes = b"0123456789abcdef") -> tuple[str, str]:
    """As the webconsole stores it (Node's crypto.pbkdf2Sync)."""
    digest = hashlib.pbkdf2_hmac("sha1", password.encode(), salt, 10_000, 64)
    return base64.b64encode(digest).decode(), base64.b64encode(salt).decode()


class Platform:
    """A database with accounts, that can be away; and a clock that can be turned."""

    def __init__(self, iotdb):
        self._iotdb, self.away, self.asked, self.later = iotdb, False, 0, 0.0
        iotdb.execute(TABLE)
        for name, role in ROLES.items():
            self.add(name, role, f"password of {name}")

    def add(self, name, role, password):
        values = (name, f"{name}@example.com", role, *hashed(password))
        self.execute("INSERT INTO User (name, email, role, password, salt) VALUES (%s, %s, %s, %s, %s)", *values)

    def execute(self, statement, *values):
        with self._iotdb.database.transaction() as connection:
            connection.exec_driver_sql(statement, values)

    def rows(self, statement):
        with self._iotdb.database.reading() as connection:
            return connection.exec_driver_sql(statement).all()

    def database(self):
        self.asked += 1
        if self.away:
            raise DatabaseUnreachable("It is away.")
        return self._iotdb.database

    def clock(self):
        return time.monotonic() + self.later

    def pass_time(self):
        """So much that what was looked up must be looked up again."""
        self.later += FRESH + 1

    def site(self, **settings):
        web = one_user(**settings) if settings.pop("configured", True) else Web(**settings)
        return site(web, self.database, clock=self.clock)


@pytest.fixture
def platform(mysql_server, mysql_database):
    iotdb = mysql_iotdb(mysql_server, mysql_database, facts_ddl())
    upgrade(iotdb.database)
    yield Platform(iotdb)
    iotdb.database.close()


@pytest.fixture
def guarded(platform):
    with platform.site(accounts=True) as found:
        yield found


def of(name):
    return f"{name}@example.com", f"password of {name}"


@pytest.mark.parametrize(
    ("name", "acts", "sees_configuration"),
    [
        ("ana", True, True),
        ("ada", True, True),
        ("ugo", False, True),
        ("gil", False, False),
        ("ida", False, False),
        ("nil", False, False),
    ],
)
def test_an_account_of_the_platform_may_what_its_role_says(guarded, name, acts, sees_configuration):
    cookie, token = guarded.signed_in(*of(name))
    assert guarded.get("/devices", Cookie=cookie).status == 200
    assert guarded.get("/configuration", Cookie=cookie).status == (200 if sees_configuration else 403)
    for answer in (
        guarded.post("/jobs/export/run", {"csrf": token}, Cookie=cookie),
        guarded.post("/forgotten", {"csrf": token}, Cookie=cookie),
        guarded.ask("POST", "/api/v1/jobs/export/runs", Authorization=basic(*of(name))),
    ):
        assert answer.status == (200 if acts else 403)
    assert bool(guarded.acts) is acts
    assert guarded.post("/sign-out", {"csrf": token}, Cookie=cookie).status == 303


@pytest.mark.parametrize("role", ["Administrator", "admin\0", "root", "superuser", "user;admin", "\uff41dmin"])
def test_no_unknown_role_is_more_than_a_guest(role):
    assert rights_of(role) == "guest"


def test_accounts_of_the_platform_stay_outside_unless_the_settings_let_them_in(platform):
    with platform.site() as guarded:
        assert guarded.sign_in(*of("ana")).status == 403
        assert guarded.sign_in().status == 303


def test_with_accounts_alone_nobody_else_gets_in(platform):
    with platform.site(configured=False, accounts=True) as guarded:
        assert guarded.get("/devices").status == 401
        assert guarded.sign_in(*of("ugo")).status == 303


@pytest.mark.parametrize(
    ("password", "salt"),
    [(None, None), ("", ""), ("x", "x"), ("!", "!"), (hashed("password of zoe")[0], ""), ("AAAA", hashed("")[1])],
)
def test_a_password_that_is_none_matches_nothing(platform, guarded, password, salt):
    values = ("zoe@example.com", password, salt)
    platform.execute("INSERT INTO User (email, role, password, salt) VALUES (%s, 'admin', %s, %s)", *values)
    for guess in ("", "password of zoe", "x"):
        assert guarded.sign_in("zoe@example.com", guess).status == 403


@pytest.mark.parametrize(
    "name", ["ana@example.com' OR '1'='1", "%", "ana%", "' UNION SELECT 1,2,3,4 -- ", "ana@example.com\0", "\\"]
)
def test_a_name_is_no_statement(guarded, name):
    assert guarded.sign_in(name, "password of ana").status == 403


def test_a_name_is_shown_as_the_platform_writes_it(guarded):
    cookie = guarded.sign_in("ANA@Example.com", "password of ana").cookie
    assert guarded.get("/devices", Cookie=cookie).text == '"seen by ana@example.com"'


@pytest.mark.parametrize(
    "change",
    ["UPDATE User SET password=REVERSE(password) WHERE name=%s", "DELETE FROM User WHERE name=%s"],
)
def test_a_changed_password_ends_all_sessions_and_credentials_of_that_user(platform, guarded, change):
    cookies = [guarded.sign_in(*of("ana")).cookie for _ in range(2)]
    other = guarded.sign_in(*of("ugo")).cookie
    assert guarded.get("/devices", Authorization=basic(*of("ana"))).status == 200
    platform.execute(change, "ana")
    platform.pass_time()
    assert [guarded.get("/devices", Cookie=cookie).status for cookie in cookies] == [401, 401]
    assert guarded.get("/devices", Authorization=basic(*of("ana"))).status == 401
    assert guarded.get("/devices", Cookie=other).status == 200


def test_a_role_that_was_taken_away_is_gone(platform, guarded):
    cookie, token = guarded.signed_in(*of("ana"))
    platform.execute("UPDATE User SET role='guest' WHERE name=%s", "ana")
    platform.pass_time()
    assert guarded.post("/jobs/export/run", {"csrf": token}, Cookie=cookie).status == 403
    assert guarded.get("/configuration", Cookie=cookie).status == 403


def test_a_session_holds_on_both_instances_and_after_a_new_start(platform):
    with platform.site(accounts=True) as one, platform.site(accounts=True) as other:
        for credentials in ((USER, PASSWORD), of("ana")):
            cookie, token = one.signed_in(*credentials)
            assert other.get("/devices", Cookie=cookie).status == 200
            assert other.post("/jobs/export/run", {"csrf": token}, Cookie=cookie).status == 200
    with platform.site(accounts=True) as again:
        assert again.get("/devices", Cookie=cookie).status == 200


def test_the_configured_users_sessions_end_where_the_password_is_another(platform):
    with platform.site() as one, site(Web(user=USER, password="another one"), platform.database) as other:
        cookie = one.sign_in().cookie
        assert one.get("/devices", Cookie=cookie).status == 200
        assert other.get("/devices", Cookie=cookie).status == 401


def test_a_session_that_was_ended_on_one_instance_is_over_on_the_other(platform):
    with platform.site() as one, platform.site() as other:
        cookie, token = one.signed_in()
        assert other.get("/devices", Cookie=cookie).status == 200
        one.post("/sign-out", {"csrf": token}, Cookie=cookie)
        assert one.get("/devices", Cookie=cookie).status == 401
        until(lambda: platform.rows("SELECT * FROM sm_meta WHERE name LIKE 'session_ended:%%'"))
        platform.pass_time()
        until(lambda: other.get("/devices", Cookie=cookie).status == 401)


def test_what_ended_long_ago_is_cleared_away(platform):
    platform.execute("INSERT INTO sm_meta VALUES ('session_ended:old', '2020-01-01T00:00:00+00:00')")
    with platform.site() as guarded:
        cookie, token = guarded.signed_in()
        guarded.post("/sign-out", {"csrf": token}, Cookie=cookie)
        guarded.get("/devices", Cookie=cookie)
        until(lambda: len(platform.rows("SELECT * FROM sm_meta WHERE name LIKE 'session_ended:%%'")) == 1)
    assert platform.rows("SELECT * FROM sm_meta WHERE name = 'session_ended:old'") == []


def test_without_the_database_the_configured_user_gets_in(platform):
    platform.away = True
    with platform.site(accounts=True) as guarded:
        cookie, token = guarded.signed_in()
        assert guarded.get("/devices", Cookie=cookie).status == 200
        assert guarded.get("/devices", Authorization=basic()).status == 200
        platform.away = False
        platform.pass_time()
        # Signed with a secret of the process, it holds on where the secret of all is known.
        assert guarded.get("/devices", Cookie=cookie).status == 200
        assert guarded.post("/jobs/export/run", {"csrf": token}, Cookie=cookie).status == 200


def test_without_the_database_others_are_told_so_and_nobody_is_told_who_the_configured_user_is(platform):
    platform.away = True
    with platform.site(accounts=True) as guarded:
        answer = guarded.sign_in(*of("ana"))
        assert answer.status == 503
        assert "can't be asked while the database is away" in words(answer.text)


def test_who_is_signed_in_stays_so_while_the_database_is_away(platform, guarded):
    cookie = guarded.sign_in(*of("ugo")).cookie
    platform.away = True
    platform.pass_time()
    assert guarded.get("/devices", Cookie=cookie, **HTML).status == 200
    with platform.site(accounts=True) as other:
        assert other.get("/devices", Cookie=cookie).status == 401


def test_a_request_asks_the_database_only_now_and_then(platform, guarded):
    cookie = guarded.sign_in(*of("ugo")).cookie
    guarded.get("/devices", Cookie=cookie)
    before = platform.asked
    for _ in range(50):
        assert guarded.get("/devices", Cookie=cookie).status == 200
        assert guarded.get("/").text == "MASTER"
    assert platform.asked - before <= 2


def test_who_has_to_wait_does_not_keep_the_database_busy(platform, guarded):
    for number in range(5):
        guarded.sign_in(f"somebody{number}", "x")
    before = platform.asked
    for number in range(20):
        assert guarded.sign_in(f"anybody{number}", "x").status == 429
    assert platform.asked - before <= 1


def test_an_unknown_name_costs_as_much_as_a_known_one(guarded):
    def cost(name):
        begun = time.perf_counter()
        guarded.sign_in(name, "wrong")
        return time.perf_counter() - begun

    guarded.sign_in("warm", "up")
    known, unknown = cost("ugo@example.com"), cost("nobody@example.com")
    assert max(known, unknown) < 5 * min(known, unknown)
    assert min(known, unknown) > 0.003


@pytest.mark.parametrize("reason", ["no table", "no right"])
def test_where_the_accounts_can_not_be_read_the_configured_user_gets_in_all_the_same(platform, reason):
    platform.execute("DROP TABLE User" if reason == "no table" else "ALTER TABLE User DROP COLUMN salt")
    with platform.site(accounts=True) as guarded:
        assert guarded.sign_in(*of("ana")).status == 503
        assert guarded.sign_in().status == 303
        assert guarded.said("the platform's accounts can't be asked")
