"""The pages in a real browser: readable for everybody, quiet, and at home on a phone and on a wall."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from servicemanager.web.pages.formats import segment
from support.browser import DESKTOP, PHONE, watching
from support.desk import Mood, SampleDesk
from support.desk_fleet import SCRIPT
from support.face import Face, served

PAGES = (
    "/",
    "/devices",
    "/devices/0207-door",
    f"/devices/{segment(SCRIPT)}",
    "/archive",
    "/incidents",
    "/incidents?state=closed",
    "/incidents/309",
    "/incidents/306",
    "/silences",
    "/jobs",
    "/jobs/export",
    "/jobs/statistics",
    "/runs/41000",
    "/runs/40272",
    "/configuration",
    "/configuration?only=changed",
)
STATES = [
    *((Mood.BUSY, path) for path in PAGES),
    (Mood.CALM, "/"),
    *((Mood.EMPTY, path) for path in ("/", "/devices", "/incidents", "/silences", "/archive", "/jobs", "/jobs/export")),
]
#: Their address is not found, or they come with an error: Chromium says so on its console by itself.
TROUBLES = ((Mood.BUSY, "/nothing/here"), (Mood.BUSY, "/runs/1"), (Mood.LOST, "/"), (Mood.LOST, "/jobs"))
#: Of what has the focus: its kind, its text, whether it is marked, and whether it is in sight.
STOP = """(() => {
  const it = document.activeElement;
  const marked = getComputedStyle(it).outlineStyle !== "none";
  return [it.tagName, it.textContent.trim().slice(0, 30), marked, it.getBoundingClientRect().top < innerHeight];
})()"""


#: In how many lines an element's text stands.
LINES = """e => {
  const text = document.createRange();
  text.selectNodeContents(e);
  return new Set([...text.getClientRects()].map(line => Math.round(line.top))).size;
}"""


@pytest.fixture(scope="module")
def face() -> Face:
    return Face(SampleDesk(takes=timedelta(hours=1)))


@pytest.fixture(scope="module")
def site(face) -> Iterator:
    with served(face) as site:
        yield site


@pytest.fixture(autouse=True)
def fresh(face) -> None:
    face.desk = SampleDesk(takes=timedelta(hours=1))


def check_everywhere(seen) -> None:
    """In the dark only the colours are looked at once more: nothing else differs."""
    for size in (PHONE, DESKTOP):
        seen.page.set_viewport_size(size)
        for theme, rules in (("light", None), ("dark", "color-contrast")):
            seen.page.emulate_media(color_scheme=theme)
            assert seen.violations(rules) == [], (size, theme)
            assert not seen.is_wider_than_its_window(), (size, theme)


@pytest.mark.parametrize(("mood", "path"), STATES)
def test_a_page_is_accessible_and_quiet_on_phone_and_desktop_light_and_dark(site, face, watched, mood, path):
    """Axe finds nothing, the console stays silent, no request leaves the host, and nothing is wider than its window."""
    face.desk = SampleDesk(mood, takes=timedelta(hours=1))
    watched.page.goto(site.url + path)
    check_everywhere(watched)
    assert watched.complaints == []
    assert watched.hosts == {"127.0.0.1"}


@pytest.mark.parametrize("width", [768, 1024, 1215, 1216, 1280, 1366, 1920])
def test_the_head_of_a_page_has_room_for_itself_on_every_screen(site, watched, width):
    """No word of it is broken, and nothing is pushed out of the window, whatever the account is called."""
    page = watched.page
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{site.url}/devices")
    for entry in page.locator(".nav a:visible, .role").all():
        assert entry.evaluate(LINES) == 1, entry.inner_text()
    assert not watched.is_wider_than_its_window()


@pytest.mark.parametrize(("mood", "path"), TROUBLES)
def test_a_page_that_tells_of_trouble_is_accessible_too(site, face, watched, mood, path):
    """Errors are pages like all others."""
    face.desk = SampleDesk(mood)
    watched.page.goto(site.url + path)
    check_everywhere(watched)


def test_nothing_jumps_while_a_page_loads_and_updates(site, face, browser):
    """Neither when the script tells times anew, nor when new things arrive; in a zone far from the service's."""
    for path in ("/", "/jobs", "/incidents/309", "/runs/41000"):
        with watching(browser, timezone_id="Asia/Tokyo") as seen:
            seen.page.goto(site.url + path)
            for _ in range(3):
                seen.update()
            assert seen.shifted < 0.001, path


def test_an_update_changes_what_is_new_and_leaves_focus_and_typed_text_alone(site, face, watched):
    """Somebody who types a reason while the incident goes on loses neither the place nor a letter."""
    page = watched.page
    page.goto(f"{site.url}/incidents/309")
    page.get_by_label("4 hours").check()
    reason = page.get_by_label("Why")
    reason.fill("The electrician is th")
    silence = face.desk.silences()[0]
    face.desk._silences[0] = silence.model_copy(update={"reason": "Somebody changed this meanwhile"})
    watched.update()
    expect(page.get_by_text("Somebody changed this meanwhile")).to_be_visible()
    expect(reason).to_be_focused()
    expect(reason).to_have_value("The electrician is th")
    expect(page.get_by_label("4 hours")).to_be_checked()


def test_a_row_that_arrives_above_does_not_move_the_focus_to_another(site, face, watched):
    """The link that has the focus is still the same incident's."""
    page = watched.page
    page.goto(f"{site.url}/incidents")
    link = page.get_by_role("link", name="shop 0207")
    link.focus()
    newest = face.desk._incidents[0].model_copy(update={"number": 400, "title": "shop 0009: 2 silent"})
    face.desk._incidents = (newest, *face.desk._incidents[1:])
    watched.update()
    expect(page.get_by_role("link", name="shop 0009")).to_be_visible()
    expect(page.get_by_role("link", name="shop 0612")).to_have_count(0)
    expect(link).to_be_focused()


def test_what_is_opened_stays_open(site, watched):
    """The confirmation of a run does not close under one's hand."""
    page = watched.page
    page.goto(f"{site.url}/jobs/export")
    page.get_by_text("Run now …").click()
    expect(page.get_by_role("button", name="Yes, run export now")).to_be_visible()
    watched.update()
    expect(page.get_by_role("button", name="Yes, run export now")).to_be_visible()


def test_an_incident_is_silenced_from_its_page(site, face, watched):
    """Four clicks and a reason; the silence stands there at once, with the name of who added it."""
    page = watched.page
    page.goto(f"{site.url}/")
    page.get_by_role("link", name="shop 0612").click()
    page.get_by_label("Until tomorrow morning").check()
    page.get_by_label("Why").fill("Stocktaking")
    page.get_by_role("button", name="Silence it").click()
    region = page.get_by_role("region", name="Silences")
    expect(region).to_contain_text("Stocktaking")
    expect(region).to_contain_text("by maria@example.com")


def test_a_mistake_in_a_form_is_told_beside_what_was_typed(site, watched):
    """Nothing has to be typed again."""
    page = watched.page
    page.goto(f"{site.url}/silences")
    page.get_by_label("Its name").fill("shop 0001")
    page.get_by_label("Why").fill("Painters")
    page.get_by_label("Until …").check()
    page.locator("#until").fill("2001-01-01T08:00")
    page.get_by_role("button", name="Add the silence").click()
    expect(page.get_by_role("alert")).to_contain_text("must end in the future")
    expect(page.get_by_label("Its name")).to_have_value("shop 0001")
    expect(page.get_by_label("Why")).to_have_value("Painters")


def test_a_run_is_started_and_watched_to_its_end(site, face, watched):
    """From the job's page to the run's, where the bar moves by itself until the run is done."""
    face.desk = SampleDesk(Mood.CALM, takes=timedelta(seconds=4))
    page = watched.page
    page.goto(f"{site.url}/jobs/statistics")
    page.get_by_role("button", name="Run statistics now").click()
    page.get_by_role("link", name="Watch run").click()
    bar = page.get_by_role("progressbar")
    expect(bar).to_have_attribute("value", re.compile("[1-9]"))
    expect(bar).not_to_have_attribute("value", bar.get_attribute("value") or "")
    expect(page.get_by_text("done", exact=True)).to_be_visible(timeout=8_000)
    assert watched.complaints == []


def test_the_page_says_that_the_service_is_away_and_recovers_by_itself(site, face, watched):
    """What one saw stays, with the time of which it is; afterwards the page is as if nothing had been."""
    page = watched.page
    page.goto(f"{site.url}/incidents")
    face.desk.mood = Mood.LOST
    watched.update()
    expect(page.locator("#notice")).to_contain_text("The database can't be reached. What you see is of")
    expect(page.get_by_role("link", name="shop 0612")).to_be_visible()
    face.desk.mood = Mood.BUSY
    watched.update()
    expect(page.locator("#notice")).to_be_empty()


def test_the_page_of_a_lost_database_becomes_the_page_that_was_asked_for(site, face, watched):
    """Nobody has to press anything."""
    face.desk.mood = Mood.LOST
    page = watched.page
    page.goto(f"{site.url}/incidents")
    expect(page.get_by_role("heading", name="The database can't be reached")).to_be_visible()
    face.desk.mood = Mood.BUSY
    expect(page.get_by_role("heading", name="Incidents")).to_be_visible(timeout=6_000)


def test_everything_is_reached_by_the_keyboard(site, watched):
    """The first Tab offers to skip the menu; every stop on the way has a mark that one sees."""
    page = watched.page
    page.goto(f"{site.url}/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        stop = page.evaluate(STOP)
        if stop[0] == "BODY":
            break
        assert stop[2], stop
        assert stop[3], stop
        seen.append(stop[1])
    assert "shop 0612: 2 silent" in seen
    assert "export" in seen
    assert seen[-1] == "Show exact times"


def test_the_menu_of_a_phone_opens_and_closes_by_keyboard(site, browser):
    """And brings the focus back to its button."""
    with watching(browser, viewport=PHONE) as seen:
        page = seen.page
        page.goto(f"{site.url}/")
        menu = page.get_by_role("button", name="Menu")
        jobs = page.get_by_role("navigation", name="Pages").get_by_role("link", name="Jobs")
        expect(jobs).not_to_be_visible()
        menu.press("Enter")
        expect(jobs).to_be_visible()
        page.keyboard.press("Escape")
        expect(jobs).not_to_be_visible()
        expect(menu).to_be_focused()
        menu.click()
        jobs.click()
        expect(page.get_by_role("heading", name="Jobs", level=1)).to_be_visible()


def test_a_theme_is_remembered_and_sent_by_the_server(site, watched):
    """So that no page flashes in the wrong colours."""
    page = watched.page
    page.emulate_media(color_scheme="light")
    page.goto(f"{site.url}/")
    button = page.get_by_role("button", name="Theme")
    button.click()
    button.click()
    page.goto(f"{site.url}/jobs")
    assert 'data-theme="dark"' in site.get("/jobs", Cookie="theme=dark").text
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(14, 19, 26)"
    expect(page.get_by_role("button", name="Theme: Dark")).to_be_visible()


def test_times_are_the_viewers_and_exact_on_demand(site, face, browser):
    """The server writes the service's zone, the script the viewer's; one button shows all of it."""
    at = datetime(2026, 11, 24, 11, 42, 7, tzinfo=UTC)
    face.desk = SampleDesk(clock=lambda: at)
    with watching(browser, timezone_id="Asia/Tokyo") as seen:
        seen.page.goto(f"{site.url}/incidents/309")
        opened = seen.page.get_by_role("region", name="What happened").locator("time").nth(1)
        expect(opened).to_have_text("19:12")
        assert opened.get_attribute("title") == "2026-11-24 10:12:07 UTC"
        assert 'datetime="2026-11-24T10:12:07Z" title="2026-11-24 10:12:07 UTC" data-form="wall">07:12<' in (
            site.get("/incidents/309").text
        )
        seen.page.get_by_role("button", name="Show exact times").click()
        expect(opened).to_have_text("2026-11-24 19:12:07")


def test_settings_are_searched_while_one_types(site, watched):
    """And how many are left is said."""
    page = watched.page
    page.goto(f"{site.url}/configuration")
    page.get_by_label("Search the settings").fill("export days")
    expect(page.get_by_role("row", name="export.days")).to_be_visible()
    expect(page.get_by_role("row", name="mysql.host")).not_to_be_visible()
    expect(page.get_by_text("1 settings are shown.")).to_be_attached()


def test_hostile_text_stays_text(site, watched):
    """Names that try to be markup are shown as they are, and nothing of them runs."""
    page = watched.page
    page.goto(f"{site.url}/silences")
    expect(page.get_by_role("cell", name="<img src=x onerror=alert(1)>")).to_be_visible()
    assert page.locator("img[src='x']").count() == 0
    assert watched.complaints == []
