"""What was told of a lost database is remembered in a folder that others may write into."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from io import StringIO
from zoneinfo import ZoneInfo

from servicemanager.alerts.console import Console
from servicemanager.health.lost_database import LostDatabase

NOW = datetime(2026, 11, 24, 3, tzinfo=UTC)


def tell(folder) -> str:
    told = StringIO()
    LostDatabase(folder / "lost.json", ZoneInfo("UTC")).tell([Console(told)], OSError("gone"), NOW)
    return told.getvalue()


def test_a_loss_is_told_once(tmp_path):
    assert "can't be reached" in tell(tmp_path)
    assert tell(tmp_path) == ""
    assert [path.name for path in tmp_path.iterdir()] == ["lost.json"]
    assert (tmp_path / "lost.json").stat().st_mode & 0o077 == 0


def test_a_link_in_place_of_the_note_is_neither_read_nor_written_through(tmp_path):
    precious = tmp_path / "precious.json"
    before = json.dumps({"since": NOW.isoformat(), "told": ["console"]})
    precious.write_text(before)
    (tmp_path / "lost.json").symlink_to(precious)
    assert "can't be reached" in tell(tmp_path)
    assert precious.read_text() == before
    assert not (tmp_path / "lost.json").is_symlink()


def test_where_the_note_can_not_be_written_the_loss_is_told_again(tmp_path):
    (tmp_path / "file").touch()
    assert "can't be reached" in tell(tmp_path / "file")
    assert "can't be reached" in tell(tmp_path / "file")
