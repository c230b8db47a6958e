"""What Prometheus is told, and the alerts that are made of it, as promtool sees them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from servicemanager.errors import DatabaseRefused
from servicemanager.jobs.job import Outcome
from servicemanager.service.tasks import JOBS
from servicemanager.web.metrics import page
from servicemanager.web.metrics.families import kind_of
from support.desk import NOW, Mood, SampleDesk
from support.docs import DOCS, ROOT

ALERTS = ROOT / "packaging" / "prometheus-alerts.yml"
HOW_TO = DOCS / "how-to" / "monitor-with-prometheus.md"
PROMTOOL = shutil.which("promtool") or str(Path(sys.prefix, "bin", "promtool"))


def promtool(*arguments: str, given: str | None = None) -> str:
    done = subprocess.run([PROMTOOL, *arguments], input=given, capture_output=True, text=True, cwd=ROOT)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


class Counting(SampleDesk):
    """Counts how often it is asked anything."""

    asked = 0

    def _answer(self):
        self.asked += 1
        return super()._answer()


def asking(desk, lost_at=None):
    """A function that asks for the metrics, as the endpoint answers them."""
    state = SimpleNamespace(desk=desk, frame=SimpleNamespace(role=lambda: "MASTER", lost_at=lambda: lost_at))
    request = SimpleNamespace(app=SimpleNamespace(state=state))
    return lambda: page.metrics(request)


def text_of(desk, lost_at=None):
    return asking(desk, lost_at)().body.decode()


def told(text: str) -> dict[str, float]:
    """Each sample by its name and labels, as they stand there."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {s.name + "".join(f"[{key}={value}]" for key, value in sorted(s.labels.items())): s.value for s in samples}


@pytest.mark.parametrize("mood", Mood)
def test_promtool_finds_nothing_to_complain_of_in_any_state(mood):
    answer = asking(SampleDesk(mood))()
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert promtool("check", "metrics", given=answer.body.decode()) == ""


def test_every_job_is_told_and_none_by_the_label_that_prometheus_uses_itself():
    text = text_of(SampleDesk())
    assert set(re.findall(r'job_overdue\{name="(\w+)"}', text)) == {task.name for task in JOBS}
    assert "{job=" not in text


def test_the_figures_are_those_of_the_overview():
    desk = SampleDesk(Mood.BUSY, lambda: NOW)
    overview, found = desk.overview(), told(text_of(desk))
    assert found["servicemanager_archived_rows_total"] == overview.readings.archived
    assert found["servicemanager_past_retention_rows"] == 6_120_000
    assert found["servicemanager_devices[status=normal]"] == overview.fleet[-1].normal
    assert found["servicemanager_undelivered_message_timestamp_seconds"] == overview.undelivered.oldest_at.timestamp()
    assert found["servicemanager_job_last_outcome[name=export][outcome=failed]"] == 1
    assert found["servicemanager_job_last_outcome[name=export][outcome=done]"] == 0
    assert found["servicemanager_lease_held"] == 1
    assert sum(value for name, value in found.items() if "open_incidents" in name) == len(overview.incidents)
    days = desk.archive().days
    assert found["servicemanager_purged_rows_total"] == sum(day.rows - day.rows_due for day in days)


def test_while_a_run_is_at_work_the_outcome_is_that_of_the_run_before():
    desk = SampleDesk(Mood.BUSY, lambda: NOW)
    assert desk.job("statistics").last.outcome is Outcome.RUNNING
    found = told(text_of(desk))
    assert found["servicemanager_job_running[name=statistics]"] == 1
    assert found["servicemanager_job_last_outcome[name=statistics][outcome=done]"] == 1
    assert not any("outcome=running" in name for name in found)


def test_no_device_and_no_shop_is_a_label_however_many_there_are():
    text = text_of(SampleDesk())
    labels = {
        label for line in text.splitlines() if not line.startswith("#") for label in re.findall(r"(\w+)=\"", line)
    }
    assert labels == {"version", "role", "name", "outcome", "status", "kind", "state"}
    assert "shop" not in text
    assert len(text.splitlines()) < 300


def test_an_incident_of_any_name_has_one_of_five_kinds():
    incidents = SampleDesk().incidents("all", limit=500).items
    assert {kind_of(incident) for incident in incidents} == {"group", "job"}
    subjects = {"fleet/contact": "fleet", "selfcare:disk": "selfcare", "group": "other", "": "other"}
    for subject, kind in subjects.items():
        assert kind_of(incidents[0].model_copy(update={"subject": subject})) == kind


def test_without_the_database_it_tells_role_version_and_process_and_no_stale_figure():
    desk = Counting()
    ask = asking(desk)
    assert told(ask().body.decode())["servicemanager_database_up"] == 1
    desk.mood = Mood.LOST
    found = told(ask().body.decode())
    assert found["servicemanager_database_up"] == 0
    assert found["servicemanager_role[role=MASTER]"] == 1
    assert found["process_resident_memory_bytes"] > 0
    assert {name.partition("[")[0] for name in found if name.startswith("servicemanager_")} == {
        "servicemanager_build_info",
        "servicemanager_role",
        "servicemanager_database_up",
    }


def test_nobody_waits_for_a_database_that_is_known_to_be_away():
    desk = Counting()
    found = told(text_of(desk, lost_at=datetime.now(UTC)))
    assert found["servicemanager_database_up"] == 0
    assert desk.asked == 0


def test_a_database_that_refuses_counts_as_away():
    class Refusing(SampleDesk):
        def overview(self, age=0.0):
            raise DatabaseRefused("The account may not read Facts.")

    assert told(text_of(Refusing()))["servicemanager_database_up"] == 0


def test_every_alert_fires_on_its_trouble_and_is_quiet_otherwise():
    assert "SUCCESS: 10 rules found" in promtool("check", "rules", str(ALERTS))
    promtool("test", "rules", str(ROOT / "tests" / "support" / "prometheus-alerts-test.yml"))


def test_alerts_and_their_guide_name_only_what_there_is():
    there = {name.partition("[")[0] for name in told(text_of(SampleDesk()))}
    named = set(re.findall(r"\bservicemanager_\w+", ALERTS.read_text() + HOW_TO.read_text()))
    assert named <= there
    rules = [rule["alert"] for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    tried = yaml.safe_load((ROOT / "tests" / "support" / "prometheus-alerts-test.yml").read_text())["tests"]
    fired = {each["alertname"] for test in tried for each in test["alert_rule_test"] if each.get("exp_alerts")}
    assert fired == set(rules)
