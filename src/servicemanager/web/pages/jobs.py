"""Jobs and runs: what each does and did, starting one, and watching it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from servicemanager.jobs.job import Outcome
from servicemanager.web.desk import Desk
from servicemanager.web.documents.jobs import Run
from servicemanager.web.gate.rights import Acting, Seeing
from servicemanager.web.pages.render import Frame, page

router = APIRouter(include_in_schema=False)

#: What a person agrees to, of jobs that delete what others wrote.
DELETES = {
    "export": "This run archives the readings past their retention and proves the archive; then, unless "
    "export.purge is off, it deletes from the database what is proven to be in the archive.",
    "messages": "This run deletes messages to devices that are older than the settings keep them.",
}


@dataclass(frozen=True)
class Pace:
    """How fast a run works, and how long it still takes at that pace; None where nobody can tell."""

    per_second: float | None
    seconds_left: float | None


def pace_of(run: Run) -> Pace:
    """By the average since its start; pure."""
    progress = run.progress
    if progress is None:
        return Pace(None, None)
    seconds = (progress.at - run.started_at).total_seconds()
    if seconds <= 0 or progress.done <= 0:
        return Pace(None, None)
    rate = progress.done / seconds
    return Pace(rate, None if progress.total is None else max(0.0, (progress.total - progress.done) / rate))


def is_at_work(run: Run | None) -> bool:
    return run is not None and run.outcome is Outcome.RUNNING


@router.get("/jobs")
def jobs(request: Request, _: Seeing) -> Response:
    desk: Desk = request.app.state.desk
    found = desk.jobs()
    return page(request, "jobs.html", jobs=found, running=any(is_at_work(job.last) for job in found))


@router.get("/jobs/{name}")
def job(request: Request, name: str, _: Seeing, after: str | None = None) -> Response:
    desk: Desk = request.app.state.desk
    found = desk.job(name)
    return page(
        request,
        "job.html",
        job=found,
        runs=desk.runs(name, after, 25),
        after=after,
        running=is_at_work(found.last),
        warning=DELETES.get(name),
        asked=request.query_params.get("asked"),
    )


@router.post("/jobs/{name}/run")
def start(request: Request, name: str, by: Acting) -> Response:
    """To the job's page, where the run appears as soon as it is on record."""
    desk: Desk = request.app.state.desk
    asked = desk.start_job(name, by.name)
    return RedirectResponse(f"/jobs/{name}?asked={asked.previous_run or 0}", 303)


@router.get("/runs/{number}")
def run(request: Request, number: int, _: Seeing) -> Response:
    desk: Desk = request.app.state.desk
    frame: Frame = request.app.state.frame
    found = desk.run(number)
    return page(
        request,
        "run.html",
        run=found,
        running=is_at_work(found),
        pace=pace_of(found),
        seconds=_seconds(found, frame.now()),
    )


def _seconds(run: Run, now: datetime) -> float:
    """How long it took, or has taken by now."""
    return ((run.ended_at or now) - run.started_at).total_seconds()
