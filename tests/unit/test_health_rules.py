"""What a device counts as, when a silence holds, when a failed message is tried again, and what fits a message."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from servicemanager.alerts.delivery import backoff
from servicemanager.alerts.incident import Member
from servicemanager.alerts.silence import Silence, Silenced, Target
from servicemanager.alerts.text import MESSAGE_BYTES, ascii_subject, bounded, lasting
from servicemanager.health.assess import Gap, Horizon, Limits, Status, assess
from servicemanager.health.guard import Contact, Heard, Watch, look
from servicemanager.iotdb.devices import Device

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
LIMITS = Limits(HOUR)


def device(seen: datetime | None, group: str | None = "shop", registered: datetime | None = NOW - 9 * HOUR) -> Device:
    return Device("AB:01", group, "board", "1.0", registered, seen)


@pytest.mark.parametrize(
    ("one", "status"),
    [
        (device(NOW - HOUR), Status.NORMAL),
        (device(NOW - HOUR - timedelta(seconds=1)), Status.SILENT),
        (device(NOW + HOUR), Status.NORMAL),
        (device(None), Status.NEVER_SEEN),
        (device(None, registered=NOW - HOUR), Status.NORMAL),
        (device(None, group=None), Status.WAITING),
        (device(NOW, group=None, registered=None), Status.FOREIGN),
    ],
)
def test_a_device_is_what_its_last_contact_and_its_limit_make_of_it(one, status):
    assert assess(one, Horizon(NOW), LIMITS).status is status


def test_an_outage_of_everything_does_not_count_as_a_devices_silence():
    horizon = Horizon(NOW, (Gap(NOW - 2 * HOUR, NOW - HOUR),))
    assert assess(device(NOW - 2 * HOUR), horizon, LIMITS).status is Status.NORMAL
    assert assess(device(NOW - 2 * HOUR - MINUTE), horizon, LIMITS).silence == HOUR + MINUTE


def test_only_three_boards_make_a_fleet():
    heard = Heard(NOW, NOW - 2 * HOUR, None, 2)
    assert look(None, heard, HOUR, MINUTE, 9 * HOUR).contact is Contact.NORMAL
    assert look(None, Heard(NOW, NOW - 2 * HOUR, None, 3), HOUR, MINUTE, 9 * HOUR).contact is Contact.LOST


def test_what_the_guard_knows_survives_being_stored():
    watch = Watch(NOW, HOUR, NOW - HOUR, NOW + MINUTE, (Gap(NOW - HOUR, NOW),))
    assert Watch.from_json(watch.to_json()) == watch


def test_after_a_time_without_checks_devices_get_grace_but_not_when_checks_are_always_that_rare():
    rare = Watch(NOW - 3 * HOUR, interval=3 * HOUR)
    seen = Heard(NOW, NOW)
    assert look(Watch(NOW - 3 * HOUR, interval=MINUTE), seen, HOUR, MINUTE, HOUR).contact is Contact.SETTLING
    assert look(rare, seen, HOUR, MINUTE, HOUR).contact is Contact.NORMAL


def test_rare_contacts_are_no_gap_in_which_a_dead_board_could_hide():
    watch, settled = None, timedelta(0)
    for minutes in range(0, 120, 10):
        now = NOW + minutes * MINUTE
        # All boards announce themselves together, six minutes before each check.
        view = look(watch, Heard(now, now - 6 * MINUTE, now - 6 * MINUTE, 3), HOUR, settled, 9 * HOUR)
        watch = view.watch
    assert view.admits_alarms
    assert view.horizon.silence_since(NOW - 6 * MINUTE) == 110 * MINUTE


def test_after_half_a_limit_without_checks_boards_that_are_not_back_yet_get_grace():
    before = Watch(NOW - 40 * MINUTE, interval=10 * MINUTE)
    assert look(before, Heard(NOW, NOW), HOUR, 10 * MINUTE, HOUR).contact is Contact.SETTLING


def test_a_silence_holds_from_its_start_up_to_its_end():
    silence = Silence(Target.GROUP, "shop", "works", NOW, NOW + HOUR)
    held = [silence.holds(NOW + n * HOUR, ZoneInfo("UTC")) for n in (-1, 0, 1)]
    assert held == [False, True, False]


@pytest.mark.parametrize(
    ("local", "holds"),
    [
        (datetime(2026, 11, 20, 21, 59), False),
        (datetime(2026, 11, 20, 22, 0), True),
        (datetime(2026, 11, 21, 7, 59), True),
        (datetime(2026, 11, 21, 8, 0), False),
    ],
)
def test_a_recurring_silence_holds_for_its_duration_from_each_local_time(local, holds):
    zone = ZoneInfo("America/Sao_Paulo")
    silence = Silence(Target.TYPE, "door", "night", NOW - 99 * HOUR, None, "0 22 * * *", 10 * HOUR)
    assert silence.holds(local.replace(tzinfo=zone).astimezone(UTC), zone) is holds


@pytest.mark.parametrize(("day", "ends"), [(24, "08:00"), (25, "07:00"), (31, "08:00")])
def test_a_recurring_silence_lasts_as_long_on_the_day_when_clocks_change(day, ends):
    """On 2026-10-25 at 03:00 Berlin's clocks go back to 02:00."""
    zone = ZoneInfo("Europe/Berlin")
    silence = Silence(Target.TYPE, "door", "night", NOW - 9999 * HOUR, None, "0 22 * * *", 10 * HOUR)
    evening = datetime(2026, 10, day, 22, 0, tzinfo=zone) - timedelta(days=1)
    end = evening.astimezone(UTC) + 10 * HOUR
    assert (silence.holds(end - MINUTE, zone), silence.holds(end, zone)) == (True, False)
    assert f"{end.astimezone(zone):%H:%M}" == ends


def test_a_silence_is_about_exactly_one_name():
    member = Member("k", "AB:01", "s", "shop 1", NOW, (NOW,), "silent", "door")
    for target, name, covers in (
        (Target.DEVICE, "AB:01", True),
        (Target.DEVICE, "ab:01", False),
        (Target.GROUP, "shop 1", True),
        (Target.GROUP, "shop 1 ", False),
        (Target.TYPE, "door", True),
        (Target.TYPE, "AB:01", False),
    ):
        silences = [Silence(target, name, "works", NOW, NOW + HOUR)]
        assert Silenced.at(silences, NOW, ZoneInfo("UTC")).covers(member) is covers


def test_waiting_doubles_up_to_ten_minutes_and_chance_takes_up_to_half_of_it():
    assert [backoff(n, 0).total_seconds() for n in (1, 2, 3, 12, 500)] == [2, 4, 8, 600, 600]
    assert backoff(3, 0.999).total_seconds() == pytest.approx(4, abs=0.01)


def test_a_subject_is_printable_ascii_of_at_most_a_hundred_characters():
    assert ascii_subject("loja \N{PILE OF POO}\r\nBcc: a") == "loja ?\\r\\nBcc: a"
    assert len(ascii_subject("x" * 500)) == 100


def test_a_message_fits_into_sns_and_says_how_much_is_left_out():
    lines = ["\N{PILE OF POO}" * 20] * 10_000
    text = bounded(lines, len(lines), "The end.")
    assert len(text.encode()) <= MESSAGE_BYTES
    left_out = 10_000 - text.count("\N{PILE OF POO}") // 20
    assert text.splitlines()[-2:] == [f"... and {left_out:_} more, see the dashboard".replace("_", " "), "The end."]


@pytest.mark.parametrize(
    ("minutes", "words"), [(0, "0 min"), (59, "59 min"), (60, "1 h"), (65, "1 h 05 min"), (1500, "1 d 1 h")]
)
def test_spans_are_told_in_words(minutes, words):
    assert lasting(minutes * MINUTE) == words
