"""schemathesis against the OpenAPI document, with all its checks: no answer is a 5xx, and every one conforms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from support.api import CREDENTIALS, served
from support.service_desk import office

__all__ = ["office"]

#: A mark of a next part or a silence that ends in the past has the right form, and is refused all the same.
_TAKEN = ["2xx", "404", "409", "422"]


@pytest.fixture
def described(office):
    """Something of everything is there."""
    office.platform.register("shop 1", "A1", "A2", "A3")
    office.announce(["A1", "A2"])
    office.announce(["A3"], 90)
    office.check()
    office.execute(
        "INSERT INTO sm_job_run (job, started_at, ended_at, outcome, counts, instance, term) "
        f"VALUES ('export', '{_ago(2)}', '{_ago(1)}', 'failed', '{{}}', 'i', 1)",
        f"INSERT INTO sm_archive VALUES (1, '{_ago(50)}', '{_ago(49)}', '2026-01-01', '{_ago(40)}')",
    )
    with served(office.desk, patient=True) as site:
        schema = schemathesis.openapi.from_url(f"{site.url}/api/v1/openapi.json", headers=_HEADERS)
        schema.config.checks.positive_data_acceptance.expected_statuses = _TAKEN
        yield schema


_HEADERS = {"Authorization": CREDENTIALS}


def _ago(hours: int) -> str:
    return str((datetime.now(UTC) - timedelta(hours=hours)).replace(tzinfo=None))


schema = schemathesis.pytest.from_fixture("described")


@schema.parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True)
def test_answers_conform_to_the_document_whatever_is_asked(case):
    case.call_and_validate(headers=_HEADERS)
