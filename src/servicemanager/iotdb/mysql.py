"""A MySQL or MariaDB server: the first host of the list that answers, is writable and is no replica."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pymysql
import sqlalchemy as sa
from pymysql.cursors import DictCursor

from servicemanager.errors import ConfigurationError, DatabaseRefused, DatabaseUnreachable, ServiceManagerError
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.failures import translate, translating

_CONNECT_SECONDS = 5
#: How long a thread waits for a connection that others have.
_POOL_SECONDS = 30
#: Of silence while a statement runs: counting a thousand million rows takes its time.
LONGEST_ANSWER = timedelta(hours=1)
_SQL_MODE = "STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION,NO_BACKSLASH_ESCAPES"
_NO_SUCH_STATEMENT = 1064
_NO_RIGHT = 1227
_NO_TLS = 2026


@dataclass(frozen=True)
class Login:
    """How to reach a server; the password stays out of every repr."""

    #: (name, port), tried in this order.
    hosts: tuple[tuple[str, int], ...]
    user: str
    database: str
    password: str = field(default="", repr=False)
    #: disabled, required, verify_ca or verify_identity, as MySQL's own clients mean them.
    ssl_mode: str = "disabled"
    ssl_ca: Path | None = None
    #: All connections together.
    connection_limit: int = 10
    #: Silence after which the server drops a session.
    idle_limit: timedelta = timedelta(seconds=5)
    #: Silence, while a statement runs, after which the server is given up.
    answer_limit: timedelta = LONGEST_ANSWER
    #: Whether the server itself ends a reading that takes longer, lest some pile up that nobody waits for.
    server_ends: bool = False


def open_mysql(login: Login) -> Database:
    """Connect once, to tell at start what is wrong. Raises DatabaseUnreachable or DatabaseRefused."""
    hosts = _Hosts(login)
    engine = sa.create_engine(
        "mysql+pymysql://",
        creator=hosts.connect,
        pool_size=login.connection_limit,
        max_overflow=0,
        pool_timeout=min(_POOL_SECONDS, login.answer_limit.total_seconds()),
        pool_pre_ping=True,
    )
    names = ",".join(f"{name}:{port}" for name, port in login.hosts)
    database = Database(engine, "mysql", f"{names}/{login.database}", lambda: hosts.account)
    with translating(database.place), engine.connect():
        return database


class _Hosts:
    """Remembers which host answered last, for a silent one costs seconds, and as whom it knows us."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._last = login.hosts[0]
        self.account = ""

    def connect(self) -> pymysql.Connection[Any]:
        failures: list[ServiceManagerError] = []
        last = self._last
        for host in (last, *(host for host in self._login.hosts if host != last)):
            try:
                connection = _connect(self._login, *host)
            except ServiceManagerError as error:
                failures.append(error)
            else:
                self._last, self.account = host, _account(connection)
                return connection
        raise _combined(failures)


def _keep_alive(connection: pymysql.Connection[Any]) -> None:
    """Let the system notice within half a minute that a peer is gone: a statement may rightly take an hour."""
    link: socket.socket = connection._sock  # type: ignore[attr-defined]  # noqa: SLF001
    for option, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, option):  # not everywhere
            link.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _account(connection: pymysql.Connection[Any]) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT CURRENT_USER()")
        (found,) = cursor.fetchone() or ("",)
    name, _, host = str(found).rpartition("@")
    return f"'{name}'@'{host}'"


def _combined(failures: list[ServiceManagerError]) -> ServiceManagerError:
    if len(failures) == 1:
        return failures[0]
    return DatabaseUnreachable("No host of MYSQL_HOST can be used. " + " ".join(str(f) for f in failures))


def _connect(login: Login, name: str, port: int) -> pymysql.Connection[Any]:
    answer_seconds = login.answer_limit.total_seconds()
    patience = min(_CONNECT_SECONDS, answer_seconds)
    place = f"{name}:{port}/{login.database}"
    try:
        connection = pymysql.connect(
            host=name,
            port=port,
            user=login.user,
            # As bytes: the driver would spell a text in latin-1, and the server's other clients use UTF-8.
            password=login.password.encode(),
            database=login.database,
            charset="utf8mb4",
            connect_timeout=patience,
            read_timeout=patience,
            write_timeout=answer_seconds,
            **_tls(login),
        )
    except (pymysql.Error, OSError, ValueError) as error:
        raise _unreachable(error, place) from error
    try:
        _keep_alive(connection)
        _prepare(connection, login, place)
        # A server that hangs at the greeting is passed over soon; one that counts takes its time. There is no setter.
        connection._read_timeout = answer_seconds  # type: ignore[attr-defined]  # noqa: SLF001
    except pymysql.Error as error:
        connection.close()
        raise translate(error, place) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _unreachable(error: Exception, place: str) -> ServiceManagerError:
    if (
        isinstance(error, ssl.SSLError)
        or "CERTIFICATE_VERIFY_FAILED" in str(error)
        or "certificate verify" in str(error)
    ):
        return DatabaseUnreachable(
            f"The TLS certificate of the database at {place} is not trusted ({error}): name its authority in "
            "MYSQL_SSLCA."
        )
    if isinstance(error, pymysql.Error) and error.args[0] == _NO_TLS:
        return DatabaseUnreachable(
            f"The database at {place} offers no TLS: enable it there, or set MYSQL_SSLMODE to disabled."
        )
    if isinstance(error, pymysql.Error):
        return translate(error, place)
    return DatabaseUnreachable(f"The database at {place} can't be reached ({error}): check MYSQL_HOST.")


def _tls(login: Login) -> dict[str, Any]:
    if login.ssl_mode == "disabled":
        return {"ssl_disabled": True}
    try:
        context = ssl.create_default_context(cafile=str(login.ssl_ca) if login.ssl_ca else None)
    except OSError as error:
        raise ConfigurationError(
            f"The file of authorities {login.ssl_ca} (MYSQL_SSLCA) can't be used: {error}."
        ) from error
    context.check_hostname = login.ssl_mode == "verify_identity"
    context.verify_mode = ssl.CERT_NONE if login.ssl_mode == "required" else ssl.CERT_REQUIRED
    return {"ssl": context}


def _prepare(connection: pymysql.Connection[Any], login: Login, place: str) -> None:
    with connection.cursor(DictCursor) as cursor:
        _refuse_unfit(cursor, place)
        idle = max(1, round(login.idle_limit.total_seconds()))
        for statement in (
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            f"SET SESSION time_zone='+00:00', sql_mode='{_SQL_MODE}'",
            f"SET SESSION innodb_lock_wait_timeout=1, lock_wait_timeout=1, wait_timeout={idle}{_limit(login)}",
        ):
            cursor.execute(statement)


def _limit(login: Login) -> str:
    """MariaDB and MySQL each read the comment that is meant for them: seconds, and milliseconds."""
    # Before the client itself gives up, for then nobody knows why.
    seconds = login.answer_limit.total_seconds() * 0.8
    spelled = f" /*M!100101 , max_statement_time={seconds} */ /*!50708 , max_execution_time={seconds * 1000:.0f} */"
    return spelled if login.server_ends else ""


def _refuse_unfit(cursor: DictCursor, place: str) -> None:
    """Refuse a server that must not be written to, or whose binary log forbids READ COMMITTED."""
    names = "'read_only','super_read_only','innodb_read_only','log_bin','binlog_format'"
    cursor.execute(f"SHOW VARIABLES WHERE Variable_name IN ({names})")
    found = {row["Variable_name"].lower(): row["Value"].upper() for row in cursor.fetchall()}
    if "ON" in {found.get(name) for name in ("read_only", "super_read_only", "innodb_read_only")}:
        raise DatabaseUnreachable(f"The database at {place} is read-only: name the writable server in MYSQL_HOST.")
    if _replicates(cursor):
        raise DatabaseUnreachable(f"The database at {place} is a replica: name its primary in MYSQL_HOST.")
    if found.get("log_bin") == "ON" and found.get("binlog_format") == "STATEMENT":
        _log_rows(cursor, place)


def _replicates(cursor: DictCursor) -> bool:
    """Whether the server applies another's changes, as far as it tells us."""
    for statement in ("SHOW REPLICA STATUS", "SHOW SLAVE STATUS"):
        try:
            cursor.execute(statement)
        except pymysql.Error as error:
            if error.args[0] == _NO_SUCH_STATEMENT:
                continue
            if error.args[0] == _NO_RIGHT:
                break
            raise
        return any(_runs(row) for row in cursor.fetchall())
    # Without the right to ask for more, MariaDB's status still tells whether both threads run.
    cursor.execute("SHOW GLOBAL STATUS WHERE Variable_name = 'Slave_running'")
    return any(row["Value"].upper() == "ON" for row in cursor.fetchall())


def _runs(status: Mapping[str, Any]) -> bool:
    threads = ("Slave_IO_Running", "Slave_SQL_Running", "Replica_IO_Running", "Replica_SQL_Running")
    return any(str(status.get(name, "No")) != "No" for name in threads)


def _log_rows(cursor: DictCursor, place: str) -> None:
    try:
        cursor.execute("SET SESSION binlog_format='ROW'")
    except pymysql.Error as error:
        raise DatabaseRefused(
            f"{place} logs statements, not rows (binlog_format=STATEMENT), which forbids short locks: set "
            "binlog_format to ROW or MIXED, or give the user the right BINLOG ADMIN."
        ) from error
