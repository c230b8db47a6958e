"""Versioned migrations of our own tables; the platform's are never touched.

A migration, once released, is never edited: what changes is a further one. Each is written once for
both dialects; the few words that differ stand in `_WORDS`.
"""

from __future__ import annotations

import sqlalchemy as sa

from servicemanager.errors import DatabaseRefused, RightMissing
from servicemanager.iotdb import tables
from servicemanager.iotdb.engine import Database

_WORDS = {
    "mysql": {
        "serial": "BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY",
        "text": "LONGTEXT",
        "device": "VARBINARY(255)",
        "packed": "MEDIUMBLOB",
        "exact": "DECIMAL(50,0)",
        "table": "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
    },
    "sqlite": {
        "serial": "INTEGER PRIMARY KEY AUTOINCREMENT",
        "text": "TEXT",
        "device": "BLOB",
        "packed": "BLOB",
        "exact": "TEXT",
        "table": "",
    },
}

_MOMENTS = """
  day DATE NOT NULL, device {device} NOT NULL, sensor BIGINT NOT NULL, n BIGINT NOT NULL, sum_x {exact} NOT NULL,
  sum_x2 {exact} NOT NULL, min_x BIGINT NOT NULL, max_x BIGINT NOT NULL, PRIMARY KEY (day, device, sensor)"""

#: Tables that earlier migrations make and later ones drop again.
RETIRED = ("sm_rollup", "sm_rollup_live", "sm_rollup_object", "sm_rollup_day")

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE IF NOT EXISTS sm_meta (
          name VARCHAR(64) NOT NULL PRIMARY KEY, value {text} NOT NULL) {table}""",
        """CREATE TABLE IF NOT EXISTS sm_lease (
          name VARCHAR(64) NOT NULL PRIMARY KEY, holder VARCHAR(255), term BIGINT NOT NULL,
          taken_at DATETIME(6) NOT NULL, expires_at DATETIME(6) NOT NULL) {table}""",
        """CREATE TABLE IF NOT EXISTS sm_fence (
          name VARCHAR(64) NOT NULL PRIMARY KEY, holder VARCHAR(255) NOT NULL, term BIGINT NOT NULL,
          passages BIGINT NOT NULL) {table}""",
        """CREATE TABLE IF NOT EXISTS sm_job_run (
          id {serial}, job VARCHAR(64) NOT NULL, scheduled_for DATETIME(6), started_at DATETIME(6) NOT NULL,
          ended_at DATETIME(6), outcome VARCHAR(20) NOT NULL, counts {text} NOT NULL, error {text},
          instance VARCHAR(255) NOT NULL, term BIGINT NOT NULL) {table}""",
        """CREATE TABLE IF NOT EXISTS sm_archive (
          id {serial}, start_at DATETIME(6) NOT NULL, end_at DATETIME(6) NOT NULL, creation_date DATE NOT NULL,
          planned_at DATETIME(6) NOT NULL, UNIQUE (start_at)) {table}""",
        """CREATE TABLE IF NOT EXISTS sm_archive_object (
          archive_id BIGINT NOT NULL, generation INT NOT NULL, url {text} NOT NULL, size BIGINT NOT NULL,
          sha256 VARCHAR(64) NOT NULL, row_count BIGINT NOT NULL, fingerprint {text} NOT NULL,
          sealed_at DATETIME(6) NOT NULL, verified_at DATETIME(6), PRIMARY KEY (archive_id, generation)) {table}""",
        """CREATE TABLE IF NOT EXISTS sm_archive_part (
          archive_id BIGINT NOT NULL, generation INT NOT NULL, slice INT NOT NULL, start_at DATETIME(6) NOT NULL,
          end_at DATETIME(6) NOT NULL, row_count BIGINT NOT NULL, fingerprint {text} NOT NULL,
          purged_at DATETIME(6), PRIMARY KEY (archive_id, generation, slice)) {table}""",
    ),
    (
        """CREATE TABLE IF NOT EXISTS sm_restore (
          target VARCHAR(64) NOT NULL, object VARCHAR(255) NOT NULL, chunk INT NOT NULL,
          restored_at DATETIME(6) NOT NULL, PRIMARY KEY (target, object, chunk)) {table}""",
    ),
    (
        """CREATE TABLE IF NOT EXISTS sm_incident (
          id {serial}, subject VARCHAR(190) NOT NULL, open_subject VARCHAR(190), version BIGINT NOT NULL,
          opened_at DATETIME(6) NOT NULL, told_at DATETIME(6), closed_at DATETIME(6), members {text} NOT NULL,
          UNIQUE (open_subject)) {table}""",
        """CREATE TABLE IF NOT EXISTS sm_silence (
          id {serial}, target VARCHAR(20) NOT NULL, name VARCHAR(190) NOT NULL, reason VARCHAR(255) NOT NULL,
          starts_at DATETIME(6) NOT NULL, ends_at DATETIME(6), cron VARCHAR(190), duration_seconds BIGINT) {table}""",
        """CREATE TABLE IF NOT EXISTS sm_outbox (
          id {serial}, channel VARCHAR(64) NOT NULL, subject VARCHAR(190) NOT NULL, body {text} NOT NULL,
          created_at DATETIME(6) NOT NULL, due_at DATETIME(6) NOT NULL, claim VARCHAR(64), attempts INT NOT NULL,
          delivered_at DATETIME(6), failure VARCHAR(20), error {text}) {table}""",
    ),
    (
        f"CREATE TABLE IF NOT EXISTS sm_rollup ({_MOMENTS}) {{table}}",
        f"CREATE TABLE IF NOT EXISTS sm_rollup_live ({_MOMENTS}) {{table}}",
        """CREATE TABLE IF NOT EXISTS sm_rollup_object (
          archive_id BIGINT NOT NULL, generation INT NOT NULL, PRIMARY KEY (archive_id, generation)) {table}""",
        """CREATE TABLE IF NOT EXISTS sm_rollup_day (
          day DATE NOT NULL PRIMARY KEY, facts_rows BIGINT NOT NULL, journal VARCHAR(64) NOT NULL) {table}""",
    ),
    (
        """CREATE TABLE IF NOT EXISTS sm_incident_member (
          incident_id BIGINT NOT NULL, member_key {device} NOT NULL, name VARCHAR(255) NOT NULL,
          group_name VARCHAR(255) NOT NULL, trouble VARCHAR(255) NOT NULL, type VARCHAR(255), version VARCHAR(255),
          since_at DATETIME(6) NOT NULL, opened {text} NOT NULL, told VARCHAR(20) NOT NULL, better_at DATETIME(6),
          ended VARCHAR(20), PRIMARY KEY (incident_id, member_key)) {table}""",
    ),
    (
        """CREATE TABLE IF NOT EXISTS sm_job_note (
          run_id BIGINT NOT NULL PRIMARY KEY, asked_by VARCHAR(255), progress {text}) {table}""",
        """CREATE TABLE IF NOT EXISTS sm_silence_note (
          silence_id BIGINT NOT NULL PRIMARY KEY, added_by VARCHAR(255) NOT NULL) {table}""",
    ),
    (
        """CREATE TABLE IF NOT EXISTS sm_detached (
          name VARCHAR(64) NOT NULL PRIMARY KEY, partition_name VARCHAR(64) NOT NULL, start_at DATETIME(6) NOT NULL,
          end_at DATETIME(6) NOT NULL, term BIGINT NOT NULL, state VARCHAR(20) NOT NULL) {table}""",
    ),
    # A row for each pair and day gives way to packed blocks. What was counted is not carried over: the next run of the
    # statistics reads the objects anew. The new tables have names of their own, so that an instance which comes late,
    # or was killed half-way, can repeat all this without emptying what another one has counted meanwhile.
    (
        """CREATE TABLE IF NOT EXISTS sm_rollup_block (
          day DATE NOT NULL, source VARCHAR(64) NOT NULL, number INT NOT NULL, first_device {device} NOT NULL,
          last_device {device} NOT NULL, pairs INT NOT NULL, payload {packed} NOT NULL,
          PRIMARY KEY (day, source, number)) {table}""",
        """CREATE TABLE IF NOT EXISTS sm_rollup_counted (
          archive_id BIGINT NOT NULL, generation INT NOT NULL, PRIMARY KEY (archive_id, generation)) {table}""",
        """CREATE TABLE IF NOT EXISTS sm_rollup_remembered (
          day DATE NOT NULL PRIMARY KEY, facts_rows BIGINT NOT NULL, journal VARCHAR(64) NOT NULL) {table}""",
        *(f"DROP TABLE IF EXISTS {name}" for name in RETIRED),
    ),
)

_FIRST = """CREATE TABLE IF NOT EXISTS sm_migration (
  version INT NOT NULL PRIMARY KEY, applied_at DATETIME(6) NOT NULL) {table}"""


def upgrade(database: Database) -> int:
    """Apply what is missing and return how many migrations that were.

    Each statement can be repeated: MySQL commits DDL at once, so a killed upgrade begins again.
    Raises DatabaseRefused, with the GRANT that is missing, where we may not.
    """
    with database.reading() as connection:
        existing = set(sa.inspect(connection).get_table_names())
        applied = _applied(connection) if tables.migration.name in existing else 0
    if applied > len(MIGRATIONS):
        raise DatabaseRefused(
            f"The database holds version {applied} of ServiceManager's tables, and this program knows only "
            f"version {len(MIGRATIONS)}: update this instance."
        )
    try:
        for version in range(applied + 1, len(MIGRATIONS) + 1):
            _apply(database, version)
    except RightMissing as error:
        raise RightMissing(
            f"ServiceManager needs tables of its own at {database.place}, whose names begin with sm_, and may not make "
            f"or write them. Give it the right with: {' '.join(grants(database))}"
        ) from error
    return len(MIGRATIONS) - applied


def grants(database: Database) -> list[str]:
    """What our own tables need, one statement each: they need not exist to be named."""
    schema = database.place.rsplit("/", 1)[-1]
    rights = "CREATE, SELECT, INSERT, UPDATE, DELETE"
    needed = {**dict.fromkeys(tables.ours.tables, rights), **dict.fromkeys(RETIRED, "CREATE, DROP")}
    return [f"GRANT {right} ON `{schema}`.`{name}` TO {database.account()};" for name, right in needed.items()]


def _applied(connection: sa.Connection) -> int:
    return connection.execute(sa.select(sa.func.coalesce(sa.func.max(tables.migration.c.version), 0))).scalar_one()


def _apply(database: Database, version: int) -> None:
    words = _WORDS[database.dialect]
    with database.transaction() as connection:
        for statement in (_FIRST, *MIGRATIONS[version - 1]):
            connection.execute(sa.text(statement.format(**words)))
        # Another instance may have been at it at the same time.
        insert = tables.migration.insert().prefix_with("IGNORE", dialect="mysql")
        insert = insert.prefix_with("OR IGNORE", dialect="sqlite")
        connection.execute(insert.values(version=version, applied_at=database.now(connection)))
