"""Jobs and their runs."""

from __future__ import annotations

from fastapi import APIRouter, Response

from servicemanager.web.api.endpoints import After, AtDesk, JobName, Limit, Number, problems
from servicemanager.web.documents.document import Page
from servicemanager.web.documents.jobs import Asked, Job, Run
from servicemanager.web.gate.rights import Acting

router = APIRouter(tags=["jobs"])

_NO_JOB = "There is no job of that name."


@router.get("/jobs", summary="Every job, with its last and its next run")
def jobs(desk: AtDesk) -> Page[Job]:
    return Page[Job](items=desk.jobs(), next=None)


@router.get("/jobs/{name}", summary="One job", responses=problems(s404=_NO_JOB))
def job(name: JobName, desk: AtDesk) -> Job:
    return desk.job(name)


@router.get("/jobs/{name}/runs", summary="Runs of one job, the newest first", responses=problems(s404=_NO_JOB))
def runs_of_job(name: JobName, desk: AtDesk, after: After = None, limit: Limit = 50) -> Page[Run]:
    return desk.runs(name, after, limit)


@router.post(
    "/jobs/{name}/runs",
    status_code=202,
    summary="Run a job now",
    responses=problems(
        s404=_NO_JOB, s409="A run of this job is at work.", s500="The run can't be started on this machine."
    ),
)
def start_job(name: JobName, desk: AtDesk, by: Acting, response: Response) -> Asked:
    """On the instance that is asked, master or not. The run is on record as soon as it holds the job's lease."""
    asked = desk.start_job(name, by.name)
    response.headers["Location"] = f"/api/v1/jobs/{name}/runs"
    return asked


@router.get("/runs", summary="Runs of all jobs, the newest first")
def runs(desk: AtDesk, after: After = None, limit: Limit = 50) -> Page[Run]:
    return desk.runs(None, after, limit)


@router.get("/runs/{number}", summary="One run", responses=problems(s404="There is no run of that number on record."))
def run(number: Number, desk: AtDesk) -> Run:
    return desk.run(number)
