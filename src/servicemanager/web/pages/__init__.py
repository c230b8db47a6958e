"""The pages that people look at."""

from __future__ import annotations

from fastapi import FastAPI

from servicemanager.web.pages import archive, assets, configuration, devices, incidents, jobs, overview, silences

ROUTERS = (
    assets.router,
    overview.router,
    devices.router,
    incidents.router,
    silences.router,
    archive.router,
    jobs.router,
    configuration.router,
)


def install(app: FastAPI) -> None:
    """Add the pages. `app.state` has, before the first request, `desk` (web/desk.py) and `frame` (render.py)."""
    for router in ROUTERS:
        app.include_router(router)
