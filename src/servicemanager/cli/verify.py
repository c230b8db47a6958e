"""`servicemanager verify`: whether the archive is what the journal and its own labels say."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from servicemanager.cli.render import print_json, print_table
from servicemanager.errors import ArchiveRefused, ConfigurationError, ObjectMissing

if TYPE_CHECKING:
    from servicemanager.archive.objects import ObjectStore
    from servicemanager.archive.verify import Days, Finding, Inspecting, Summary, Verifier
    from servicemanager.service import Service

_DAY = ["%Y-%m-%d"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("verify")(_command)


def _command(
    first: Annotated[datetime | None, typer.Option("--from", formats=_DAY, help="First local day to verify.")] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=_DAY, help="Last local day to verify.")] = None,
    bucket_only: Annotated[
        bool, typer.Option("--bucket-only", help="Ask no database: the objects' own labels must do.")
    ] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> None:
    """Read the archive again and hold every object against its own label and the journal.

    Exit status 0: everything is sound. 1: an object is damaged, missing, foreign or doubled. 2: wrong settings.
    4: the database or the bucket can't be reached.
    """
    from servicemanager.archive.verify import Days, Summary
    from servicemanager.cli import logs, process
    from servicemanager.service import Service

    service = Service.configure(needs_database=not bucket_only)
    logs.configure(service.settings.log.format)
    process.settle()
    if first and last and last < first:
        raise ConfigurationError(f"--to {last:%Y-%m-%d} lies before --from {first:%Y-%m-%d}.")
    days = Days(first.date() if first else None, last.date() if last else None)
    summary = Summary.of(verify(service, days, bucket_only=bucket_only))
    if json_output:
        print_json(summary.to_document())
    else:
        print_summary(summary)
    if not summary.is_fine:
        raise typer.Exit(1)


def verify(
    service: Service, days: Days, *, bucket_only: bool, inspecting: Inspecting | None = None
) -> Iterator[Finding]:
    """Findings as they are made; objects are inspected here, or as `inspecting` does."""
    store = service.store()
    if store is None:
        raise ConfigurationError("There is no archive to verify: no bucket is configured (EXPORT_BUCKET).")
    with _verifier(service, store, days, bucket_only=bucket_only) as verifier:
        verifier.inspecting = inspecting or verifier.inspecting
        yield from verifier.run()


@contextmanager
def _verifier(service: Service, store: ObjectStore, days: Days, *, bucket_only: bool) -> Iterator[Verifier]:
    from servicemanager.archive.proof import Stores
    from servicemanager.archive.verify import Verifier

    stores = Stores(store, service.open_store)
    if bucket_only:
        yield Verifier(stores, _database_of(store), None, days)
        return
    from servicemanager.archive.journal import Journal
    from servicemanager.archive.verify import Known, known_objects
    from servicemanager.iotdb.engine import database_uuid

    database = service.database()
    try:
        journal = Journal(database)

        def note(known: Known) -> None:
            with database.transaction() as tx:
                journal.mark_verified(tx, known.archive_id, known.object.generation, database.now(tx))

        yield Verifier(stores, database_uuid(database), known_objects(journal), days, note)
    finally:
        database.close()


def _database_of(store: ObjectStore) -> str:
    from servicemanager.archive.marker import KEY, Marker

    try:
        return Marker.from_bytes(store.read(KEY), store.url_of(KEY)).database
    except ObjectMissing as error:
        raise ArchiveRefused(
            f"There is no archive at {store.url}: its marker {KEY} is missing. Check EXPORT_BUCKET and "
            "EXPORT_REMOTEDIRECTORY."
        ) from error


def print_summary(summary: Summary) -> None:
    if summary.findings:
        rows = [(finding.verdict.value, finding.url, finding.detail) for finding in summary.findings]
        print_table(("verdict", "object", "why"), rows)
    if not summary.verdicts:
        sys.stdout.write("The archive holds no objects of these days.\n")
        return
    said = ", ".join(f"{number:,} {verdict}" for verdict, number in sorted(summary.verdicts.items()))
    sys.stdout.write(
        f"Objects: {said}. {summary.rows:,} readings in {summary.size:,} bytes were read again and found right.\n"
    )
