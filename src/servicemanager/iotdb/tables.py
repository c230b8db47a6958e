"""Our own tables, whose names begin with ``sm_``.

They are made by the migrations in `upgrade`, which these definitions must agree with (a test compares them).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

ours = sa.MetaData()


class Instant(sa.types.TypeDecorator[datetime]):
    """An aware datetime in UTC, stored as naive UTC with microseconds."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        precise = mysql.DATETIME(fsp=6) if dialect.name in {"mysql", "mariadb"} else sa.DateTime()
        return dialect.type_descriptor(precise)

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.replace(tzinfo=UTC)


def _text(name: str, length: int, **options: Any) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), **{"nullable": False, **options})


meta = sa.Table("sm_meta", ours, _text("name", 64, primary_key=True), sa.Column("value", sa.Text, nullable=False))
migration = sa.Table(
    "sm_migration",
    ours,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("applied_at", Instant, nullable=False),
)
#: Who may work, and until when. Renewals touch this row only, never the fence's.
lease = sa.Table(
    "sm_lease",
    ours,
    _text("name", 64, primary_key=True),
    _text("holder", 255, nullable=True),
    sa.Column("term", sa.BigInteger, nullable=False),
    sa.Column("taken_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
)
#: What fenced transactions update by holder and term, so that a deposed holder can't commit.
fence = sa.Table(
    "sm_fence",
    ours,
    _text("name", 64, primary_key=True),
    _text("holder", 255),
    sa.Column("term", sa.BigInteger, nullable=False),
    sa.Column("passages", sa.BigInteger, nullable=False),
)
job_run = sa.Table(
    "sm_job_run",
    ours,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    _text("job", 64),
    sa.Column("scheduled_for", Instant),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("ended_at", Instant),
    _text("outcome", 20),
    sa.Column("counts", sa.Text, nullable=False),
    sa.Column("error", sa.Text),
    _text("instance", 255),
    sa.Column("term", sa.BigInteger, nullable=False),
)
#: ... who asked for it, where a person did, and how far it is while it is at work: in a row of its own, so that saying
#: so never waits for the run, nor the run for that.
job_note = sa.Table(
    "sm_job_note",
    ours,
    sa.Column("run_id", sa.BigInteger, primary_key=True, autoincrement=False),
    _text("asked_by", 255, nullable=True),
    sa.Column("progress", sa.Text),
)
#: What was restored into tables other than Facts.
restore = sa.Table(
    "sm_restore",
    ours,
    _text("target", 64, primary_key=True),
    _text("object", 255, primary_key=True),
    sa.Column("chunk", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("restored_at", Instant, nullable=False),
)
#: The archive's journal: windows, once cut never cut anew ...
archive = sa.Table(
    "sm_archive",
    ours,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("start_at", Instant, nullable=False, unique=True),
    sa.Column("end_at", Instant, nullable=False),
    sa.Column("creation_date", sa.Date, nullable=False),
    sa.Column("planned_at", Instant, nullable=False),
)
#: ... the immutable objects that hold their rows, one for each generation ...
archive_object = sa.Table(
    "sm_archive_object",
    ours,
    sa.Column("archive_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("generation", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    _text("sha256", 64),
    sa.Column("row_count", sa.BigInteger, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("sealed_at", Instant, nullable=False),
    sa.Column("verified_at", Instant),
)
#: ... and what each object holds for each purge slice of its window, until that slice is purged.
archive_part = sa.Table(
    "sm_archive_part",
    ours,
    sa.Column("archive_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("generation", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("slice", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("start_at", Instant, nullable=False),
    sa.Column("end_at", Instant, nullable=False),
    sa.Column("row_count", sa.BigInteger, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("purged_at", Instant),
)
#: What is wrong, by subject. At most one incident of a subject is open, which `open_subject` sees to.
incident = sa.Table(
    "sm_incident",
    ours,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    _text("subject", 190),
    _text("open_subject", 190, nullable=True, unique=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("opened_at", Instant, nullable=False),
    sa.Column("told_at", Instant),
    sa.Column("closed_at", Instant),
    #: Empty: members have a table of their own, where one that changes is not a rewrite of all.
    sa.Column("members", sa.Text, nullable=False),
)
#: ... each thing that is or was wrong within it, and what people were told of it.
incident_member = sa.Table(
    "sm_incident_member",
    ours,
    sa.Column("incident_id", sa.BigInteger, primary_key=True, autoincrement=False),
    # By bytes: no collation takes two devices for one.
    sa.Column(
        "member_key", sa.LargeBinary(255).with_variant(mysql.VARBINARY(255), "mysql", "mariadb"), primary_key=True
    ),
    *(_text(name, 255) for name in ("name", "group_name", "trouble")),
    *(_text(name, 255, nullable=True) for name in ("type", "version")),
    sa.Column("since_at", Instant, nullable=False),
    sa.Column("opened", sa.Text, nullable=False),
    _text("told", 20),
    sa.Column("better_at", Instant),
    _text("ended", 20, nullable=True),
)
#: When nobody wants to be told.
silence = sa.Table(
    "sm_silence",
    ours,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    _text("target", 20),
    _text("name", 190),
    _text("reason", 255),
    sa.Column("starts_at", Instant, nullable=False),
    sa.Column("ends_at", Instant),
    _text("cron", 190, nullable=True),
    sa.Column("duration_seconds", sa.BigInteger),
)
#: ... and who added it.
silence_note = sa.Table(
    "sm_silence_note",
    ours,
    sa.Column("silence_id", sa.BigInteger, primary_key=True, autoincrement=False),
    _text("added_by", 255),
)
#: Messages that were decided, one row for each channel, until it took them.
outbox = sa.Table(
    "sm_outbox",
    ours,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    _text("channel", 64),
    _text("subject", 190),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("due_at", Instant, nullable=False),
    _text("claim", 64, nullable=True),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("delivered_at", Instant),
    _text("failure", 20, nullable=True),
    sa.Column("error", sa.Text),
)

#: Partitions on their way out of Facts: which table holds what was in there, and how far that has come.
detached = sa.Table(
    "sm_detached",
    ours,
    _text("name", 64, primary_key=True),
    _text("partition_name", 64),
    *(sa.Column(name, Instant, nullable=False) for name in ("start_at", "end_at")),
    sa.Column("term", sa.BigInteger, nullable=False),
    _text("state", 20),
)
#: Moments of readings, packed (see `moment_blocks`), by local day of arrival and by where the readings are: `live` are
#: those that Facts holds and the archive does not ...
rollup_block = sa.Table(
    "sm_rollup_block",
    ours,
    sa.Column("day", sa.Date, primary_key=True),
    _text("source", 64, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    # By bytes: no collation takes two devices for one, or leaves trailing blanks out.
    *(
        sa.Column(name, sa.LargeBinary(255).with_variant(mysql.VARBINARY(255), "mysql", "mariadb"), nullable=False)
        for name in ("first_device", "last_device")
    ),
    sa.Column("pairs", sa.Integer, nullable=False),
    sa.Column("payload", sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb"), nullable=False),
)
#: ... the objects that are counted in there ...
rollup_counted = sa.Table(
    "sm_rollup_counted",
    ours,
    sa.Column("archive_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("generation", sa.Integer, primary_key=True, autoincrement=False),
)
#: ... and what the day looked like when the live ones were computed.
rollup_remembered = sa.Table(
    "sm_rollup_remembered",
    ours,
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("facts_rows", sa.BigInteger, nullable=False),
    _text("journal", 64),
)
