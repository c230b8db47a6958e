"""How the service is, as a document; pure."""

from __future__ import annotations

from servicemanager.cluster.mirror import Answer
from servicemanager.selfcare.figures import Figures as Measured
from servicemanager.service.desk.incidents import incident_document
from servicemanager.service.desk.jobs import job_document
from servicemanager.service.status import Status as Seen
from servicemanager.web.documents.overview import Figures, Instance, Master, Staging, Status, Undelivered


def status_document(status: Seen) -> Status:
    return Status.model_validate(status_values(status))


def status_values(status: Seen) -> dict[str, object]:
    """The document's fields, from which the overview is made as well."""
    waiting = status.standing.undelivered
    return {
        "now": status.now,
        "master": _master(status),
        "here": _instance(status.here),
        "mirror": _instance(status.mirror) if status.mirror else None,
        "jobs": tuple(map(job_document, status.jobs)),
        "incidents": tuple(map(incident_document, status.standing.incidents)),
        "incidents_more": status.standing.more,
        "undelivered": Undelivered(messages=waiting.count, oldest_at=waiting.oldest_at),
        "figures": _figures(status.figures) if status.figures else None,
        "problems": tuple(status.problems()),
    }


def _master(status: Seen) -> Master:
    leader = status.leader
    if leader is None or not status.has_master:
        return Master(holder=None, instance=None, term=leader.term if leader else None, lease_expires_at=None)
    instance = leader.works_by.instance if leader.works_by else None
    return Master(
        holder=leader.holder,
        instance=instance,
        term=leader.term,
        lease_expires_at=leader.expires_at,
        since_at=leader.taken_at,
    )


def _instance(answer: Answer) -> Instance:
    return Instance(role=answer.role.value if answer.role else None, answer=answer.words)


def _figures(measured: Measured) -> Figures:
    return Figures(
        measured_at=measured.measured_at,
        cutoff=measured.cutoff,
        rows_past_retention=measured.rows_due,
        oldest_row_at=measured.oldest_at,
        archived_at=measured.archived_at,
        verified_at=measured.verified_at,
        staging=Staging(host=measured.host, free_bytes=measured.staging_free, days_until_full=measured.days_until_full),
    )
