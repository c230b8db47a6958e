"""Incidents and their members as documents."""

from __future__ import annotations

import base64
import binascii
from zoneinfo import ZoneInfo

from servicemanager.alerts.records import (
    IncidentRecord,
    MemberRecord,
    fetch_members,
    fetch_newest,
    fetch_one,
)
from servicemanager.alerts.silence import Target
from servicemanager.alerts.silences import load_silences
from servicemanager.errors import ConfigurationError, NotFound
from servicemanager.health.findings import group_of
from servicemanager.iotdb.engine import Database
from servicemanager.service.desk import cursors
from servicemanager.service.desk.silences import silence_document
from servicemanager.web.documents.document import Page
from servicemanager.web.documents.incidents import Incident, IncidentDetail, Member, Silenceable, State


def incident_document(record: IncidentRecord) -> Incident:
    return Incident.model_validate(_values(record))


def fetch_incidents(database: Database, state: State, after: str | None, limit: int) -> Page[Incident]:
    """The newest first. Raises ConfigurationError where `after` is none of ours."""
    before = cursors.decode_number(after)
    with database.reading() as connection:
        found = fetch_newest(
            connection,
            open_ones=state != "closed",
            closed_ones=state != "open",
            before=before,
            limit=limit + 1,
        )
    shown = found[:limit]
    more = cursors.encode(shown[-1].number) if len(found) > limit else None
    return Page[Incident](items=tuple(map(incident_document, shown)), next=more)


def fetch_incident(database: Database, zone: ZoneInfo, number: int, after: str | None, limit: int) -> IncidentDetail:
    """Raises NotFound, and ConfigurationError where `after` is none of ours."""
    beyond = None if after is None else _decode_key(after)
    with database.reading() as connection:
        record = fetch_one(connection, number) if 0 < number <= cursors.LARGEST else None
        if record is None:
            raise NotFound(f"There is no incident {number} on record.")
        now = database.now(connection)
        members = fetch_members(connection, number, beyond, limit + 1)
        silences = load_silences(connection)
    its = {(Target.SUBJECT, record.subject), *_of_group(record)}
    covering = (each for each in silences if (each.target, each.name) in its and each.holds(now, zone))
    shown = members[:limit]
    more = _encode_key(shown[-1].key) if len(members) > limit else None
    target, name = next(iter(_of_group(record)), (Target.SUBJECT, record.subject))
    return IncidentDetail.model_validate(
        {
            **_values(record),
            "silenceable": Silenceable(target=target, name=name),
            "silences": tuple(silence_document(each, now, zone) for each in covering),
            "members": Page[Member](items=tuple(map(_member, shown)), next=more),
        }
    )


def _values(record: IncidentRecord) -> dict[str, object]:
    names = ("number", "subject", "title", "opened_at", "told_at", "closed_at")
    return {name: getattr(record, name) for name in names}


def _of_group(record: IncidentRecord) -> set[tuple[Target, str]]:
    group = group_of(record.subject)
    return set() if group is None else {(Target.GROUP, group)}


def _member(member: MemberRecord) -> Member:
    return Member(
        name=member.name,
        group=member.group,
        trouble=member.trouble,
        type=member.type,
        version=member.version,
        since_at=member.since_at,
        better_at=member.better_at,
        ended=member.ended,
    )


def _encode_key(key: bytes) -> str:
    return cursors.encode(base64.b64encode(key).decode())


def _decode_key(cursor: str) -> bytes:
    (text,) = cursors.decode(cursor, str)
    try:
        return base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigurationError("`after` is no mark of a list's next part: take it from `next` as it is.") from error
