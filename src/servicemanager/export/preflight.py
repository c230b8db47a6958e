"""What must hold before an export touches anything."""

from __future__ import annotations

from servicemanager.archive.journal import Journal
from servicemanager.errors import DatabaseRefused
from servicemanager.iotdb.engine import Database, read_meta, write_meta
from servicemanager.iotdb.facts import Facts

_KEY = "creation_date_column"


def check_column(database: Database, facts: Facts, journal: Journal) -> None:
    """Refuse to go on when creationDate means something else than when rows were archived that are not purged.

    The same row would look like another one, and be archived twice. Raises DatabaseRefused.
    """
    zone = facts.shape.wall_zone
    now = f"DATETIME in {zone.key}" if zone else "TIMESTAMP"
    with database.reading() as connection:
        before = read_meta(connection, _KEY)
    if before == now:
        return
    if before is not None and journal.has_unpurged():
        raise DatabaseRefused(
            f"Facts.creationDate was {before} when readings were archived that are still in the database, and now is "
            f"{now}: set it (mysql.datetimeZone) back, and export with purge first."
        )
    with database.transaction() as tx:
        write_meta(tx, _KEY, now)
