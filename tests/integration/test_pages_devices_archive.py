"""The pages of devices and of the archive, over HTTP, on a made-up service."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from html import unescape
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from servicemanager.errors import ConfigurationError
from servicemanager.health.assess import Status
from servicemanager.web.documents.archive import Proof
from servicemanager.web.documents.devices import Query, Sort
from servicemanager.web.pages.archive import commands_of, span_of
from servicemanager.web.pages.devices import address_of, query_of
from servicemanager.web.viewer import Rights, Viewer
from support.desk import NOW, Mood, SampleDesk
from support.desk_fleet import SCRIPT
from support.face import Face, served

DAY = date(2026, 11, 10)


@pytest.fixture(scope="module")
def site():
    with served(Face(SampleDesk(Mood.BUSY, lambda: NOW))) as there:
        yield there


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def links_to(html: str, start: str) -> list[str]:
    return [unescape(address) for address in re.findall(r'href="([^"]*)"', html) if address.startswith(start)]


def test_the_list_is_walked_to_its_end_by_its_links_and_shows_each_device_once(site):
    address, names = "/devices?search=00&limit=50", []
    while address:
        html = site.get(address).text
        names += re.findall(r'<th scope="row"><a href="[^"]*"><bdi>([^<]*)</bdi>', html)
        following = [one for one in links_to(html, "/devices?") if "after" in parse_qs(urlsplit(one).query)]
        address = following[0] if following else None
    assert len(names) == len(set(names)) == 198
    assert "First part" in html


def test_a_search_a_status_and_an_order_stand_in_the_address_and_in_the_form(site):
    html = site.get("/devices?search=shop&status=silent&sort=seen").text
    assert 'value="shop"' in html
    assert '<option value="seen" selected>' in html
    assert '<input type="hidden" name="status" value="silent">' in html
    assert "0612-fridge" in html
    assert "0001-door" not in html
    (all_of_them,) = [one for one in links_to(html, "/devices?search") if "status" not in one]
    assert all_of_them == "/devices?search=shop&sort=seen"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/devices?search=nothing-like-it", "No device is like that"),
        ("/devices?status=silent&after=9999", "The list ends here"),
    ],
)
def test_an_empty_list_says_why(site, address, said):
    assert said in site.get(address).text


@pytest.mark.parametrize(
    "address", ["/devices?status=broken", "/devices?sort=size", "/devices?limit=x", "/devices?after=x"]
)
def test_an_address_that_can_not_be_is_told_in_a_sentence(site, address):
    answer = site.get(address)
    assert answer.status == 422
    told = unescape(answer.text)
    assert "Devices can't be listed by this" in told or "after is none of ours" in told


def test_a_part_without_devices_is_not_taken_for_the_end():
    class Sparse(SampleDesk):
        """A fleet of which only a part is looked through at a time."""

        def devices(self, query):
            return super().devices(query).model_copy(update={"items": (), "next": "0412-door"})

    with served(Face(Sparse(Mood.BUSY, lambda: NOW))) as there:
        html = there.get("/devices?type=COLD-9").text
    assert "None so far" in html
    assert "/devices?type=COLD-9&after=0412-door" in links_to(html, "/devices?")


def test_what_is_empty_in_a_form_is_not_asked_for():
    assert query_of({"search": "", "status": " ", "utm": "x", "sort": "seen"}) == Query(sort=Sort.SEEN)
    assert query_of({"status": "never seen"}).status is Status.NEVER_SEEN
    with pytest.raises(ConfigurationError, match="by this limit"):
        query_of({"limit": "9999"})


def test_another_order_begins_with_the_first_part():
    query = Query(search="a&b", after="77")
    assert address_of(query, sort="seen") == "/devices?search=a%26b&sort=seen"
    assert address_of(query, after="99") == "/devices?search=a%26b&after=99"


@pytest.mark.parametrize("name", ["0207-door", SCRIPT, "../?a=b#c%2F;d\u202ee"])
def test_a_device_of_any_name_is_found_by_its_link_and_does_nothing_to_the_page(site, name):
    listed = site.get("/devices?" + "search=" + quote(name, safe="")).text
    address = next(one for one in links_to(listed, "/devices/"))
    html = site.get(address).text
    assert f"<h1><bdi>{name}</bdi></h1>" in unescape(html)
    assert "<script>x" not in html
    assert "<img src=x" not in html


def test_a_device_tells_its_contact_and_what_the_gateway_would_throw_away(site):
    told = text_of(site.get("/devices/0207-door").text)
    assert "silent The device was heard of last 93 minutes ago; its limit is 60 minutes" in told
    assert "The gateway's filter throws away readings above 54 : on 28 of 28 days some of them." in told
    assert "Sensor 3 nothing is published" in told
    assert "The gateway's filter lets all its readings pass." in told
    assert "shop 0207: 2 silent open" in told
    assert "SET interval=60" in told
    assert "New switchboard" in told


def test_every_chart_has_words_and_its_numbers_in_a_table(site):
    html = site.get("/devices/0001-door").text
    charts = re.findall(r'<svg class="plot".*?</figure>', html, re.DOTALL)
    assert len(charts) == 3
    for chart in charts:
        named = re.search(r'aria-labelledby="(\S+) (\S+)"', chart)
        assert f'<title id="{named[1]}">' in chart
        assert f'<desc id="{named[2]}">' in chart
        assert chart.count("<tr>") == 29
        assert "nan" not in chart.lower().replace("nanos", "")
        assert " style=" not in chart


def test_only_who_may_act_is_offered_to_silence_it(site):
    address = "/silences?target=device&amp;name=0207-door"
    assert address in site.get("/devices/0207-door").text
    site.face.viewer = Viewer("guest@example.com", Rights.GUEST)
    try:
        assert address not in site.get("/devices/0207-door").text
    finally:
        site.face.viewer = Viewer("maria@example.com", Rights.ADMIN)


def test_the_overview_shows_the_fleet_over_time(site):
    html = site.get("/").text
    assert "Devices by status, over time" in html
    assert html.count('class="edge edge-') == 5
    assert "heard within 5 minutes" in html


def test_every_archived_day_is_a_link_and_tells_what_it_is(site):
    html = site.get("/archive").text
    days = site.face.desk.archive().days
    assert set(re.findall(r'<a class="cell[^>]*href="/archive/([\d-]+)"', html)) == {str(one.day) for one in days}
    cell = re.search(r'<a class="(cell[^"]*)" href="/archive/2026-11-20"[^>]*aria-label="([^"]*)"', html)
    assert "is-purged" in cell[1]
    assert re.fullmatch(r"Fri 20 Nov 2026: [\d\u202f]+ rows, [\d.]+\u202fMB, purged", cell[2])
    assert "is-partly-archived" in html
    assert "is-planned" in html
    assert "is-verified" in html


def test_a_year_is_shown_by_itself_and_one_without_days_is_none(site):
    html = site.get("/archive?year=2026").text
    assert '<h2 id="calendar-title">2026</h2>' in html
    assert site.get("/archive?year=1999").status == 404
    assert site.get("/archive?year=all").status == 422


def test_a_day_shows_the_proof_of_each_object(site):
    html = site.get(f"/archive/{DAY}").text
    for proof in site.face.desk.archive_day(DAY).proofs:
        assert proof.sha256 in html
        assert proof.url in html
    assert "4 of 4" in html
    assert links_to(html, "/archive/") == ["/archive/2026-11-09", "/archive/2026-11-11"]
    assert "sha256sum 0-g0.parquet" in html


@pytest.mark.parametrize("address", ["/archive/2001-01-01", "/archive/yesterday", "/devices/nobody"])
def test_what_is_not_there_is_not_found(site, address):
    assert site.get(address).status == 404


@pytest.mark.parametrize("mood", Mood)
def test_pages_are_made_for_each_state_of_a_service(mood):
    with served(Face(SampleDesk(mood, lambda: NOW))) as there:
        for address in ("/devices", "/archive", "/"):
            answer = there.get(address)
            assert answer.status == (503 if mood is Mood.LOST else 200)
        said = text_of(there.get("/devices").text + there.get("/archive").text)
    if mood is Mood.EMPTY:
        assert "There is no device yet" in said
        assert "No bucket is configured" in said


def test_pages_are_small_and_the_same_page_is_not_sent_twice(site):
    for address in ("/", "/devices", "/devices/0207-door", "/archive", f"/archive/{DAY}"):
        answer = site.get(address, Accept_Encoding="gzip")
        assert len(answer.body) < 20_000
        assert site.get(address, If_None_Match=answer.headers["ETag"]).status == 304


def test_the_calendar_ends_today_or_with_the_archive_where_clocks_differ():
    days = SampleDesk(Mood.BUSY, lambda: NOW).archive().days
    today = days[-1].day - timedelta(days=3)
    assert span_of(days, None, today) == (days[-1].day - timedelta(days=364), days[-1].day)
    assert span_of((), None, today)[1] == today
    assert span_of(days, 2024, today) == (date(2024, 1, 1), date(2024, 12, 31))


def a_proof(url: str) -> Proof:
    at = datetime(2026, 11, 10, tzinfo=UTC)
    return Proof(
        window_start_at=at, window_end_at=at, generation=0, url=url, size=1, sha256="0" * 64, rows=1, sealed_at=at,
        verified_at=None, slices=1, slices_purged=1,
    )  # fmt: skip


def test_commands_to_check_an_object_are_safe_to_type_whatever_a_folder_is_called():
    assert commands_of(a_proof("file:///srv/my%20archive;rm/facts/a-g0.parquet")) == (
        "cd '/srv/my archive;rm/facts'",
        "sha256sum a-g0.parquet",
        "duckdb -c \"SELECT count(*) FROM 'a-g0.parquet'\"",
    )
    assert commands_of(a_proof("s3://b/$(x)/a-g0.parquet"))[0] == "aws s3 cp 's3://b/$(x)/a-g0.parquet' ."
