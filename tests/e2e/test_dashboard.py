"""An operator's morning: a real instance on a simulated fleet, looked at in a real browser."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from servicemanager.demo.fleet import make_fleet
from servicemanager.demo.load import load_facts
from servicemanager.demo.readings import ZONE, readings
from servicemanager.demo.registry import announcements, registrations
from servicemanager.iotdb import platform_tables
from servicemanager.service import DATA_DIRECTORY, Service
from support.browser import DESKTOP, PHONE, watching
from support.cli import start, until
from support.mariadb import free_port
from support.web import Site

USER, PASSWORD = "maria", "correct horse battery staple"
#: So that the schedule does nothing while somebody looks.
NEVER = "0 0 29 2 *"
JOBS = ("DEVICES", "HISTORY", "STATISTICS", "EXPORT", "MESSAGES", "HOUSEKEEPING", "SELFCARE")
DAYS = 5


def fill(folder: Path) -> None:
    """A fleet that has reported for days; two hours ago the third shop lost its power."""
    fleet, now = make_fleet(), datetime.now(UTC).replace(microsecond=0)
    database = Service.configure({"TZ": str(ZONE)}, folder).database()
    dark = sa.select(platform_tables.registration.c.device).where(
        platform_tables.registration.c.device_group == fleet.shops[2].name
    )
    lost = platform_tables.announcement.update().where(platform_tables.announcement.c.device.in_(dark))
    try:
        with database.transaction() as tx:
            tx.execute(platform_tables.registration.insert(), registrations(fleet, now))
            tx.execute(platform_tables.announcement.insert(), announcements(fleet, now))
            tx.execute(lost.values(lastAnnouncementDate=now.replace(tzinfo=None) - timedelta(hours=2)))
    finally:
        database.close()
    with closing(sqlite3.connect(folder / DATA_DIRECTORY / "iotdb.sqlite")) as connection:
        load_facts(connection, readings(fleet, now, days=DAYS))


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("instance")
    fill(folder)
    site = Site(free_port(), [])
    environ = {
        "TZ": str(ZONE),
        "ADDRESS": "127.0.0.1",
        "PORT": str(site.port),
        "WEB_USER": USER,
        "WEB_PASSWORD": PASSWORD,
        **{f"SCHEDULER_{job}": NEVER for job in JOBS},
    }
    running = start("run", environ=environ, folder=folder)
    try:
        until(lambda: answers(site) == "MASTER" or running.process.poll() is not None)
        assert running.process.poll() is None
        yield site
    finally:
        running.process.terminate()
        running.wait()


def answers(site: Site) -> str | None:
    try:
        return site.get("/").text
    except OSError:
        return None


def sign_in(page, site: Site, path: str = "/") -> None:
    page.goto(f"http://127.0.0.1:{site.port}{path}")
    page.get_by_label("Account").fill(USER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def run_job(page, job: str) -> None:
    """From the overview to the end of a run."""
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Jobs").click()
    page.get_by_role("heading", name=job, exact=True).get_by_role("link").click()
    page.get_by_role("button", name=f"Run {job} now").click()
    expect(page.get_by_role("row").nth(1)).to_contain_text("done", timeout=20_000)


def test_an_operators_morning(site, browser):
    """Sign in, see the fleet, open a shop's outage, silence it, run a job and watch its progress."""
    with watching(browser) as seen:
        page = seen.page
        sign_in(page, site)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        run_job(page, "devices")
        run_job(page, "history")

        page.get_by_role("link", name="Overview").click()
        fleet = page.get_by_role("region", name="The fleet")
        expect(fleet.get_by_role("link", name=re.compile("heard within 5 minutes"))).to_contain_text(
            re.compile("[1-9]")
        )
        page.get_by_role("region", name="Open incidents").get_by_role("link", name=re.compile("shop-003")).click()
        expect(page.get_by_role("heading", level=1)).to_contain_text(re.compile("shop-003: [1-9] silent"))
        assert seen.violations() == []

        page.get_by_label("4 hours").check()
        page.get_by_label("Why").fill("The electrician works on the switchboard")
        page.get_by_role("button", name="Silence it").click()
        silences = page.get_by_role("region", name="Silences")
        expect(silences).to_contain_text("The electrician works on the switchboard")
        expect(silences).to_contain_text(f"by {USER}")

        page.get_by_role("link", name="Jobs").click()
        page.get_by_role("heading", name="export", exact=True).get_by_role("link").click()
        page.get_by_text("Run now …").click()
        page.get_by_role("button", name="Yes, run export now").click()
        page.get_by_role("link", name="Watch run").click()
        expect(page.get_by_role("progressbar")).to_have_attribute("value", re.compile("[1-9]"), timeout=20_000)
        expect(page.get_by_text("done", exact=True)).to_be_visible(timeout=60_000)
        expect(page.get_by_text("Asked by").locator("+ dd")).to_have_text(USER)
        expect(page.get_by_text("Rows archived").locator("+ dd")).to_have_text(re.compile("[1-9]"))
        assert seen.complaints == []
        assert seen.hosts == {"127.0.0.1"}

        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        page.goto(f"http://127.0.0.1:{site.port}/jobs")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_every_page_of_a_real_instance_is_accessible_light_and_dark(site, browser, size):
    """What the made-up desk shows, a real one shows too."""
    with watching(browser, viewport=size) as seen:
        page = seen.page
        sign_in(page, site, "/jobs")
        expect(page.get_by_role("heading", name="Jobs", level=1)).to_be_visible()
        for path in ("/", "/devices", "/incidents", "/silences", "/archive", "/jobs/devices", "/configuration"):
            page.goto(f"http://127.0.0.1:{site.port}{path}")
            for theme, rule in (("light", None), ("dark", "color-contrast")):
                page.emulate_media(color_scheme=theme)
                assert seen.violations(rule) == [], (path, theme)
            assert not seen.is_wider_than_its_window(), path
        assert seen.complaints == []
        assert seen.hosts == {"127.0.0.1"}


def test_a_wrong_password_is_told_and_what_was_typed_as_a_name_stays(site, browser):
    """On a page that is as accessible as all others."""
    with watching(browser, viewport=PHONE) as seen:
        page = seen.page
        page.goto(f"http://127.0.0.1:{site.port}/incidents")
        page.get_by_label("Account").fill(USER)
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_be_visible()
        expect(page.get_by_label("Account")).to_have_value(USER)
        assert seen.violations() == []
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Incidents")).to_be_visible()
