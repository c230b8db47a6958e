"""schemathesis against the OpenAPI document, with all its checks: no answer is a 5xx, and every one conforms."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from support.api import CREDENTIALS, served

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
#: A mark of a next part or a silence that ends in the past has the right form, and is refused all the same.
CONFIG = '[checks.positive_data_acceptance]\nexpected-statuses = ["2xx", "404", "409", "422"]\n'


def test_answers_conform_to_the_document_whatever_is_asked(office, tmp_path):
    something_of_everything(office)
    (tmp_path / "config.toml").write_text(CONFIG)
    with served(office.desk, patient=True) as site:
        told = subprocess.run(
            [
                *(SCHEMATHESIS, "--config-file", tmp_path / "config.toml"),
                *("run", f"{site.url}/api/v1/openapi.json", "--header", f"Authorization: {CREDENTIALS}"),
                *("--checks", "all", "--max-examples", "3", "--max-time", "15", "--generation-deterministic"),
                *("--no-color", "--warnings", "off"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
    assert told.returncode == 0, told.stdout[-6000:] + told.stderr[-2000:]
    assert "Tested: 18" in told.stdout


def something_of_everything(office) -> None:
    office.platform.register("shop 1", "A1", "A2", "A3")
    office.announce(["A1", "A2"])
    office.announce(["A3"], 90)
    office.check()
    office.execute(
        "INSERT INTO sm_job_run (job, started_at, ended_at, outcome, counts, instance, term) "
        f"VALUES ('export', '{ago(2)}', '{ago(1)}', 'failed', '{{}}', 'i', 1)",
        f"INSERT INTO sm_archive VALUES (1, '{ago(50)}', '{ago(49)}', '2026-01-01', '{ago(40)}')",
    )


def ago(hours: int) -> str:
    return str((datetime.now(UTC) - timedelta(hours=hours)).replace(tzinfo=None))
