"""Who may take the lead, and who may not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from servicemanager.cluster.role import Leader, WorksBy, against_taking, free_at

NOW = datetime(2026, 11, 24, tzinfo=UTC)
A = WorksBy("a:80", (("timezone", "UTC"), ("export.days", "10")))
B = WorksBy("b:80", A.settings)
OTHER = WorksBy("c:80", (("timezone", "UTC"), ("export.days", "1")))


def led_by(works_by: WorksBy | None, holder: str | None = "a, process 7") -> Leader:
    return Leader(holder, 3, NOW, works_by)


def test_a_lease_is_free_when_nobody_holds_it_or_when_it_has_expired():
    assert free_at(None, NOW)
    assert free_at(led_by(A, holder=None), NOW - timedelta(seconds=1))
    assert free_at(led_by(A), NOW)
    assert not free_at(led_by(A), NOW - timedelta(microseconds=1))


def test_an_instance_of_the_same_settings_takes_over():
    assert against_taking(led_by(A), B, None) is None
    assert against_taking(None, B, None) is None


def test_one_of_other_settings_does_not_and_says_which_they_are():
    words = against_taking(led_by(A), OTHER, None)
    assert words
    assert "export.days is 1 here and 10 there" in words
    assert "timezone" not in words
    assert "--take-over" in words


def test_after_an_orderly_stop_and_for_the_same_machine_settings_may_be_others():
    assert against_taking(led_by(None, holder=None), OTHER, None) is None
    assert against_taking(led_by(WorksBy("c:80", A.settings)), OTHER, None) is None


def test_a_node_master_is_respected_whatever_the_lease_says():
    words = against_taking(None, A, "old:80")
    assert words
    assert "old:80" in words
