"""The pages over real HTTP, in every state that a service may be in."""

from __future__ import annotations

import gzip
import html
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from servicemanager.web.pages.render import pack
from servicemanager.web.viewer import Rights, Viewer
from support.desk import NOW, Mood, SampleDesk
from support.desk_fleet import HOSTILE, SCRIPT
from support.face import TOKEN, Face, Site, served
from support.marks import marks

PAGES = (
    "/",
    "/incidents",
    "/incidents?state=closed",
    "/incidents?state=all",
    "/silences",
    "/jobs",
    *(f"/jobs/{name}" for name in ("devices", "history", "statistics", "export", "messages", "housekeeping")),
    "/configuration",
    "/configuration?only=changed&search=export",
)
_BUDGET = 150 * 1024


@pytest.fixture
def face() -> Face:
    return Face(SampleDesk(clock=lambda: NOW))


@pytest.fixture
def site(face) -> Iterator[Site]:
    with served(face) as site:
        yield site


@pytest.mark.parametrize("mood", [Mood.BUSY, Mood.CALM, Mood.EMPTY])
def test_every_page_is_well_formed_in_every_state(site, face, mood):
    """Elements close, identifiers are told apart, and neither a style nor a script stands in a page."""
    face.desk = desk = SampleDesk(mood, clock=lambda: NOW)
    numbers = [one.number for one in desk.incidents("all", limit=9).items]
    runs = [one.run for one in desk.runs(limit=30).items]
    for path in (*PAGES, *(f"/incidents/{number}" for number in numbers), *(f"/runs/{run}" for run in runs)):
        answer = site.get(path)
        assert answer.status == 200, path
        found = marks(answer.text)
        names = [value for _, name, value in found.attributes if name == "id"]
        assert len(names) == len(set(names)), path
        assert not [one for one in found.attributes if one[1] == "style" or one[1].startswith("on")], path
        assert re.search(r"<script(?! defer src=)|<style", answer.text) is None, path


def test_the_first_page_says_in_a_sentence_how_it_is(site, face):
    """What needs attention first, or that all is well."""
    assert "<h1>3 shops are silent: 5 devices. And 3 more things to look at.</h1>" in site.get("/").text
    face.desk = SampleDesk(Mood.CALM, clock=lambda: NOW)
    calm = site.get("/").text
    assert "<h1>All is well: 1 501 of 1 502 devices are heard of, and every job is on time.</h1>" in calm
    assert "No incident is open" in calm


def test_a_fresh_installation_says_what_will_be_there(site, face):
    """Empty places tell what fills them."""
    face.desk = SampleDesk(Mood.EMPTY, clock=lambda: NOW)
    assert "No device is counted yet" in site.get("/").text
    assert "Nothing is silenced" in site.get("/silences").text
    assert "It has not run yet" in site.get("/jobs/export").text
    assert "Nothing has been wrong so far" in site.get("/incidents?state=closed").text


def test_hostile_names_and_reasons_are_shown_as_text(site):
    """Nothing that the database holds becomes markup."""
    text = site.get("/silences").text
    assert HOSTILE not in text
    assert SCRIPT not in text
    shown = "".join(marks(text).texts)
    assert HOSTILE in shown
    assert SCRIPT in shown


def test_a_hostile_search_is_shown_as_text(site):
    """Also what comes back from the address."""
    answer = site.get("/configuration?search=%22%3E%3Cscript%3Ex%3C/script%3E")
    assert SCRIPT not in answer.text
    assert html.escape(SCRIPT, quote=True).replace("&quot;", "&#34;") in answer.text


def test_the_first_page_is_small(site):
    """All that a browser loads for it together, compressed."""
    page = site.get("/", Accept_Encoding="gzip")
    assert page.headers["Content-Encoding"] == "gzip"
    parts = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text))
    assert len(parts) >= 3
    whole = len(page.body) + sum(len(site.get(part, Accept_Encoding="gzip").body) for part in parts)
    assert whole < _BUDGET / 3  # room for charts


def test_a_page_that_did_not_change_is_not_sent_again(site, face):
    """The tag is the same whatever the token of the session's forms; it changes with what is shown."""
    first = site.get("/incidents")
    face.token = "another token"
    again = site.get("/incidents", If_None_Match=first.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    face.desk._incidents = face.desk._incidents[1:]
    assert site.get("/incidents", If_None_Match=first.headers["ETag"]).status == 200


def test_nothing_but_files_is_kept_by_browsers(site):
    """Pages are never stored; files are, for good, under the address of their content."""
    assert site.get("/").headers["Cache-Control"] == "no-store"
    address = re.search(r'href="(/static/[^"]+\.css)"', site.get("/").text)[1]
    answer = site.get(address)
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "public, max-age=31536000, immutable")
    assert answer.headers["Content-Type"].startswith("text/css")
    assert site.get(address, Accept_Encoding="gzip").text == answer.text
    assert site.get("/static/000000000000/app.css").status == 404
    assert site.get("/static/000000000000/..%2F..%2F__init__.py").status == 404


def test_forms_carry_the_sessions_token(site):
    """Each of them."""
    for path in ("/incidents/312", "/silences", "/jobs/export"):
        found = marks(site.get(path).text)
        forms = sum(tag == "form" and name == "method" and value == "post" for tag, name, value in found.attributes)
        assert forms >= 2  # signing out is one
        assert sum(value == TOKEN for tag, name, value in found.attributes if tag == "input") == forms


def test_the_length_of_a_page_tells_nothing_of_the_token(face):
    """Text that repeats the token packs no better than other text of its length: BREACH learns nothing."""
    token = "tEKZ8vQnX2yL0aPq"

    def length(guess: str) -> int:
        page = ("<p>something before</p>" + guess + "<p>between</p>").encode()
        packed = pack((page, token.encode(), b"<p>after</p>"))
        assert gzip.decompress(packed) == page + token.encode() + b"<p>after</p>"
        return len(packed)

    assert length(token) == length("uFLa9wRoY3zM1bQr")
    assert length("csrf=" + token[:8]) == length("csrf=" + "uFLa9wRo")


def test_a_user_reads_and_finds_no_button_that_would_be_refused(site, face):
    """Whoever may not act sees no forms to act with; and trying anyway is refused."""
    face.viewer = Viewer("joe@example.com", Rights.USER)
    for path in ("/incidents/312", "/silences", "/jobs/export"):
        assert site.get(path).text.count('method="post"') == (2 if path == "/silences" else 1), path
    assert site.get("/configuration").status == 200
    for path in ("/incidents/312/silence", "/silences", "/silences/7/end", "/jobs/export/run"):
        answer = site.post(path, {"reason": "x", "target": "group", "name": "x"})
        assert answer.status == 403
        assert "may read, but not act" in answer.text
    assert len(face.desk.silences()) == 4


def test_a_guest_does_not_see_the_configuration(site, face):
    """Neither the page nor a link to it."""
    face.viewer = Viewer("guest@example.com", Rights.GUEST)
    assert site.get("/configuration").status == 403
    assert 'href="/configuration"' not in site.get("/").text


def test_secrets_are_masked_before_a_page_sees_them(site):
    """And where they came from is told."""
    text = site.get("/configuration?only=changed").text
    assert "not to be seen" not in text
    assert "not-to-be-seen" not in text
    assert "********" in text
    assert "variable MYSQL_PASSWORD" in text


def test_a_silence_is_added_and_ended_by_forms(site, face):
    """Each post answers with a way to a page, so that a reload does nothing twice."""
    added = site.post("/silences", {"target": "group", "name": "shop 0001", "reason": "Painters", "lasts": "4h"})
    assert (added.status, added.headers["Location"]) == (303, "/silences")
    silence = face.desk.silences()[0]
    assert (silence.name, silence.by, silence.ends_at) == ("shop 0001", "maria@example.com", NOW + timedelta(hours=4))
    ended = site.post(f"/silences/{silence.number}/end", {})
    assert (ended.status, ended.headers["Location"]) == (303, "/silences")
    assert silence not in face.desk.silences()
    assert site.post(f"/silences/{silence.number}/end", {}).status == 404


def test_an_incident_is_silenced_as_a_whole(site, face):
    """What the form says of a target or a name is not what is silenced: the incident is."""
    wish = {"reason": "Inventory", "lasts": "1h", "target": "device", "name": "something else"}
    assert site.post("/incidents/312/silence", wish).headers["Location"] == "/incidents/312"
    assert (face.desk.silences()[0].target, face.desk.silences()[0].name) == ("group", "shop 0612")


@pytest.mark.parametrize("path", ["/silences", "/incidents/312/silence"])
def test_a_mistake_in_a_form_is_told_with_what_was_typed(site, path):
    """Status 422, a sentence, and the fields as they were."""
    wish = {"target": "type", "name": "COLD-1", "reason": '<b>"why"</b>', "lasts": "until", "until": "yesterday"}
    answer = site.post(path, wish)
    assert answer.status == 422
    assert "Say until when the silence lasts" in answer.text
    assert 'value="&lt;b&gt;&#34;why&#34;&lt;/b&gt;"' in answer.text


def test_a_form_that_no_page_has_is_refused_in_a_sentence(site, face):
    """Too long, or of no known kind: nothing crashes."""
    for wish in ({"target": "planet"}, {"reason": "x" * 2_000}):
        answer = site.post("/silences", wish)
        assert answer.status == 422
        assert "does not fit" in answer.text
    assert len(face.desk.silences()) == 4


def test_a_run_is_asked_for_once(site, face):
    """A second wish meets the first, and says so."""
    asked = site.post("/jobs/messages/run", {})
    assert asked.status == 303
    assert asked.headers["Location"].startswith("/jobs/messages?asked=")
    assert face.desk.job("messages").last.asked_by == "maria@example.com"
    again = site.post("/jobs/messages/run", {})
    assert again.status == 409
    assert "at work already" in again.text


def test_what_is_not_there_is_told_as_such(site):
    """Numbers, names and addresses alike; what is wrong about a question too."""
    for path in ("/incidents/99999", "/incidents/x", "/runs/1", "/jobs/nothing", "/nothing"):
        assert site.get(path).status == 404, path
    assert "There is no job" in site.get("/jobs/nothing").text
    assert "There is no such page" in site.get("/nothing").text
    assert site.post("/configuration", {}).status == 405
    for path in ("/incidents?state=odd", "/incidents?after=odd", "/silences?target=odd"):
        assert site.get(path).status == 422, path


def test_a_lost_database_has_a_page_of_its_own(site, face):
    """With what the database's driver says; the settings are shown all the same."""
    face.desk.mood = Mood.LOST
    for path in ("/", "/incidents", "/incidents/312", "/silences", "/jobs", "/runs/41000"):
        answer = site.get(path)
        assert answer.status == 503
        assert answer.headers["Retry-After"] == "5"
        assert "Connection refused" in answer.text
        marks(answer.text)
    assert site.get("/configuration").status == 200


def test_a_crash_tells_nothing_of_the_inside(site, face, monkeypatch, capfd):
    """The page is one of ours; the log has the rest."""
    secret = "mysql://root:secret@db"

    def crash() -> None:
        raise RuntimeError(secret)

    monkeypatch.setattr(face.desk, "overview", crash)
    answer = site.get("/")
    assert answer.status == 500
    assert "Something went wrong here" in answer.text
    assert secret not in answer.text


def test_signed_out_pages_show_no_way_in(site, face):
    """Errors before signing in have a frame without navigation."""
    face.viewer = None
    answer = site.get("/nothing")
    assert answer.status == 404
    assert "<nav" not in answer.text
    assert "maria" not in answer.text


def test_long_lists_are_read_part_by_part(site):
    """And lead back to their beginning."""
    first = site.get("/incidents?state=closed").text
    assert first.count('<tr data-key="') == 50
    assert "First part" not in first
    after = re.search(r'href="(/incidents\?state=closed&amp;after=[^"]+)"', first)[1]
    second = site.get(html.unescape(after)).text
    assert second.count('<tr data-key="') == 20
    assert 'href="/incidents?state=closed">First part' in second
