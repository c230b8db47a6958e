"""The API over HTTP: what it answers, what it does, and how it says no."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from structlog.testing import capture_logs

from servicemanager.errors import (
    ArchiveDamaged,
    ConfigurationError,
    DatabaseBusy,
    DatabaseRefused,
    DatabaseUnreachable,
    LeaseHeld,
    NotFound,
)
from servicemanager.web.viewer import Rights
from support.api import served
from support.service_desk import opened

NAMES = ["A/1", "..", "A 1", "é\u202e", "<script>", "%2F", "?", "#"]


@pytest.fixture
def site(office):
    """A shop with odd names, one of whose boards is silent."""
    office.platform.register("shop 1", *NAMES, "A1")
    office.announce(NAMES)
    office.announce(["A1"], 90)
    office.check()
    with served(office.desk) as made:
        made.office = office
        yield made


def test_whatever_a_device_is_called_it_has_an_address(site):
    for name in NAMES:
        answer = site.ask("GET", f"/api/v1/devices/{quote(name, safe='')}")
        assert (answer.status, answer.document["device"]) == (200, name)


def test_devices_come_in_parts(site):
    first = site.ask("GET", "/api/v1/devices?limit=5").document
    second = site.ask("GET", f"/api/v1/devices?limit=5&after={first['next']}").document
    assert {each["device"] for part in (first, second) for each in part["items"]} == {*NAMES, "A1"}
    assert second["next"] is None
    assert site.ask("GET", "/api/v1/devices?after=nonsense").status == 422
    assert site.ask("GET", "/api/v1/devices?colour=red").status == 422


def test_a_silence_is_added_looked_up_and_ended(site):
    answer = site.ask("POST", "/api/v1/silences", {"target": "group", "name": "shop 1", "reason": "r", "seconds": 60})
    assert (answer.status, answer.document["by"]) == (201, "maria")
    assert site.ask("GET", answer.headers["Location"]).document == answer.document
    number = answer.document["number"]
    assert site.ask("GET", "/api/v1/silences").document["items"] == [answer.document]
    assert site.ask("DELETE", f"/api/v1/silences/{number}").status == 204
    again = site.ask("DELETE", f"/api/v1/silences/{number}")
    assert (again.status, again.headers["Content-Type"]) == (404, "application/problem+json")
    assert f"There is no silence {number}" in again.document["detail"]


def test_wishes_that_do_not_fit_are_told_each_in_a_sentence(site):
    answer = site.ask("POST", "/api/v1/silences", {"target": "device", "name": "A" * 30, "reason": "r"})
    assert (answer.status, len(answer.document["mistakes"])) == (422, 2)
    answer = site.ask("POST", "/api/v1/silences", {"target": "moon", "name": "A", "s3cret": "value"})
    assert answer.status == 422
    assert any(each.startswith("target: ") for each in answer.document["mistakes"])
    assert b"value" not in answer.body
    naive = {"target": "device", "name": "A", "reason": "r", "ends_at": "2099-01-01T00:00:00"}
    assert site.ask("POST", "/api/v1/silences", naive).status == 422


def test_a_run_is_started(site):
    answer = site.ask("POST", "/api/v1/jobs/devices/runs")
    assert (answer.status, answer.document["job"], answer.document["asked_by"]) == (202, "devices", "maria")
    assert site.office.started == [("devices", "maria")]
    assert site.ask("POST", "/api/v1/jobs/nothing/runs").status == 404


def test_addresses_and_methods_that_do_not_exist_are_problems_too(site):
    answer = site.ask("GET", "/api/v1/nothing")
    assert (answer.status, answer.document["title"]) == (404, "Not Found")
    answer = site.ask("PUT", "/api/v1/silences", {})
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, POST")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert site.ask("GET", "/api/v1/runs/0").status == 404
    assert site.ask("GET", "/api/v1/archive/yesterday").status == 404
    assert site.ask("GET", "/api/v1/runs?limit=0").status == 422


def test_the_first_page_is_the_role_unless_a_page_is_preferred(site):
    for accept in ("*/*", "text/plain", "text/html;q=0.5, text/plain", "text/html;q=0", "application/json", "text/*"):
        answer = site.ask("GET", "/", Accept=accept)
        assert (answer.body, answer.headers.get_content_type()) == (b"MASTER", "text/plain"), accept
    answer = site.ask("GET", "/", Accept="text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
    assert answer.headers.get_content_type() == "text/html"


class Failing:
    """A desk at which everything fails as told."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __getattr__(self, name):
        def fail(*_args, **_options):
            raise self.error

        return fail


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFound("There is none."), 404),
        (ConfigurationError("One is wrong.", "And another."), 422),
        (LeaseHeld("Another run is at work."), 409),
        (DatabaseUnreachable("It is away."), 503),
        (DatabaseBusy("It is busy."), 503),
        (DatabaseRefused("A right is missing."), 500),
        (ArchiveDamaged("An object is gone."), 500),
    ],
)
def test_each_of_our_errors_has_a_status_and_says_what_is_wrong(error, status):
    with served(Failing(error)) as site:
        answer = site.ask("GET", "/api/v1/overview")
        assert (answer.status, answer.document["status"]) == (status, status)
        assert answer.document["detail"] == str(error).replace("\n", " ")
        assert (answer.headers["Retry-After"] is not None) == (status == 503)
        assert answer.headers["Cache-Control"] == "no-store"
        assert site.ask("GET", "/jobs", Accept="text/html").status == status
        assert site.ask("GET", "/").body == b"MASTER"
        assert site.ask("GET", "/healthz").status == 200


def test_a_crash_says_nothing_of_the_inside_and_is_logged():
    with capture_logs() as said, served(Failing(ZeroDivisionError("the secret of the house"))) as site:
        for path, accept in (("/api/v1/jobs", "*/*"), ("/jobs", "text/html"), ("/jobs", "*/*")):
            answer = site.ask("GET", path, Accept=accept)
            assert answer.status == 500
            assert b"secret of the house" not in answer.body
            assert b"ZeroDivision" not in answer.body
    crashes = [(line["path"], line["exc_info"]) for line in said if line["event"] == "a request crashed"]
    assert crashes == [("/api/v1/jobs", True), ("/jobs", True), ("/jobs", True)]


def test_guests_do_not_see_the_configuration_and_users_do_not_act(office):
    silence = {"target": "device", "name": "A", "reason": "r", "seconds": 60}
    for rights, sees in ((Rights.GUEST, 403), (Rights.USER, 200)):
        with served(office.desk, rights) as site:
            assert site.ask("GET", "/api/v1/configuration").status == sees
            assert site.ask("POST", "/api/v1/silences", silence).status == 403
            assert site.ask("DELETE", "/api/v1/silences/1").status == 403
            assert site.ask("POST", "/api/v1/jobs/devices/runs").status == 403
            assert site.ask("GET", "/api/v1/silences").document["items"] == []
    assert office.started == []


def test_secrets_are_masked_in_the_configuration(request, tmp_path):
    secret = {"MYSQL_HOST": "h", "MYSQL_USER": "u", "MYSQL_PASSWORD": "hunter2"}
    with opened(request, tmp_path, "sqlite", **secret) as office, served(office.desk) as site:
        answer = site.ask("GET", "/api/v1/configuration")
    assert b"hunter2" not in answer.body
    assert answer.document["settings"]["mysql.password"]["shown"] == "********"


def test_the_document_describes_just_the_api(site):
    document = site.ask("GET", "/api/v1/openapi.json").document
    assert document["openapi"].startswith("3.1.")
    assert all(path.startswith("/api/v1/") for path in document["paths"])
    assert set(document["components"]["securitySchemes"]) == {"basic", "session"}
    assert document["security"] == [{"basic": []}, {"session": []}]
    for path in document["paths"].values():
        for operation in path.values():
            assert operation["summary"]
            errors = {status: each for status, each in operation["responses"].items() if int(status) >= 400}
            assert {"401", "403", "503"} <= errors.keys()
            assert all(list(each["content"]) == ["application/problem+json"] for each in errors.values())
