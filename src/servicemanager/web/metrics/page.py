"""`GET /metrics`: it answers without the database too, with `servicemanager_database_up` at 0 and no stale figure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from servicemanager import __version__
from servicemanager.errors import ServiceManagerError
from servicemanager.web.desk import Desk
from servicemanager.web.metrics.families import of_archive, of_instance, of_overview

#: Seconds: a scrape takes what people have had computed, which is no older than its own usual interval.
_AGE = 10.0
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

router = APIRouter(include_in_schema=False)


class _Snapshot(Collector):
    """The families of one answer."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        return iter(self._families)


def exposition(role: str, desk: Desk | None) -> bytes:
    """The answer, in the text format; without a desk where the database is known to be away."""
    known: list[Metric] = []
    if desk:
        with suppress(ServiceManagerError):
            known = [*of_overview(desk.overview(_AGE)), *of_archive(desk.archive(_AGE))]
    registry = CollectorRegistry()
    registry.register(_Snapshot([*of_instance(__version__, role, database_up=bool(known)), *known]))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


@router.get("/metrics")
def metrics(request: Request) -> Response:
    state = request.app.state
    # Whoever waits for a database that is away would be cut off by Prometheus, and count as away as well.
    desk = state.desk if state.frame.lost_at() is None else None
    body = exposition(state.frame.role(), desk)
    return Response(body, headers={"Cache-Control": "no-store", "Content-Type": CONTENT_TYPE})
