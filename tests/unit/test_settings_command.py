"""`servicemanager config`, and how tables and documents are printed."""

import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from servicemanager.cli.config import register
from servicemanager.cli.render import one_line, plain_table, print_json, print_table
from servicemanager.config import SETTINGS
from servicemanager.errors import ConfigurationError

SECRET = "hunter2"


@pytest.fixture
def run(tmp_path, monkeypatch):
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments, **variables):
        nothing = dict.fromkeys(os.environ)
        return CliRunner().invoke(app, ["config", *arguments], env=nothing | variables)

    return invoke


def test_the_table_has_every_setting_with_its_value_and_origin(run):
    result = run(MYSQL_HOST="db", MYSQL_USER="u", MYSQL_PASSWORD=SECRET, EXPORT_REMOTEDIRECTORY="a b/c")
    lines = [line.split("  ") for line in result.stdout.splitlines()]
    cells = {line[0]: [cell.strip() for cell in line[1:] if cell.strip()] for line in lines}
    assert list(cells)[1:] == [setting.key for setting in SETTINGS]
    assert cells["mysql.password"] == ["********", "variable MYSQL_PASSWORD"]
    assert cells["aws.accessKeyId"] == ["not set", "default"]
    assert cells["export.remoteDirectory"] == ["a b/c/", "variable EXPORT_REMOTEDIRECTORY"]
    assert cells["cluster.lease"] == ["15s", "default"]
    assert SECRET not in result.output


def test_a_long_value_is_neither_wrapped_nor_cut_where_nobody_looks_on(run):
    bucket = "file:///srv/" + "archive/" * 60
    result = run(MYSQL_HOST="db", MYSQL_USER="u", EXPORT_BUCKET=bucket)
    assert any(bucket in line and line.endswith("variable EXPORT_BUCKET") for line in result.stdout.splitlines())


def test_notices_go_to_stderr_below_the_table(run):
    result = run(MYSQL_HOST="db", MYSQL_USER="u", SCHEDULER_EXPORT="* 2 * * *")
    assert "note: variable SCHEDULER_EXPORT: " in result.stderr
    assert "note: export.bucket is not set" in result.stderr
    assert "note:" not in result.stdout


def test_the_embedded_default_is_said_in_words(run):
    assert "nothing is configured" in run().stderr


def test_json_is_one_document_with_types_and_masked_secrets(run):
    result = run("--json", MYSQL_HOST="db1,db2", MYSQL_USER="u", MYSQL_PASSWORD=SECRET, EXPORT_PURGE="no")
    found = json.loads(result.stdout)
    assert found["embedded"] is False
    assert any("export.bucket" in notice for notice in found["notices"])
    values = {key: entry["value"] for key, entry in found["settings"].items()}
    assert values["mysql.host"] == ["db1", "db2"]
    assert values["mysql.password"] == "********"
    assert values["aws.secretAccessKey"] is None
    assert values["export.purge"] is False
    assert values["export.days"] == 1
    assert values["export.localDirectory"] == "/tmp"  # noqa: S108 - the default
    assert values["cluster.lease"] == "15s"
    assert values["log.format"] == "auto"
    assert found["settings"]["export.active"]["variables"] == ["EXPORT_ACTIVE", "EXPORT_ENABLED"]
    assert SECRET not in result.output


def test_mistakes_are_left_to_whoever_turns_errors_into_exit_codes(run):
    result = run(EXPORT_DAYS="0", MYSQL_PASSWORD=SECRET)
    assert isinstance(result.exception, ConfigurationError)
    assert len(result.exception.mistakes) == 3
    assert SECRET not in str(result.exception)


def test_help_loads_neither_pydantic_nor_yaml():
    code = "import sys, servicemanager.cli.config; print(sorted({'pydantic', 'yaml', 'cronsim'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_numbers_stand_to_the_right_and_no_line_ends_in_spaces(capsys):
    print_table(("window", "rows"), [("a", 5), ("b", 1234), ("c", None)])
    assert capsys.readouterr().out == "window  rows\na          5\nb       1234\nc\n"


def test_an_empty_table_is_its_heading(capsys):
    print_table(("window", "rows"), [])
    assert capsys.readouterr().out == "window  rows\n"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_gets_a_table_in_which_markup_is_only_text(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    print_table(("na[b]me",), [("[red]x[/red]",), ("a\x1b[2Jb",)])
    text = terminal.getvalue()
    assert "[red]x[/red]" in text
    assert "na[b]me" in text
    assert "\x1b[2J" not in text


@given(st.text(alphabet=st.characters()))
def test_a_cell_is_always_one_line_that_stdout_can_take(text):
    line = one_line(text)
    assert line.isprintable()
    line.encode(sys.stdout.encoding or "utf-8")


@given(st.lists(st.tuples(st.text("ab ", max_size=9), st.text("cd", max_size=9)), max_size=5))
def test_a_plain_table_has_one_line_a_row_and_its_columns_aligned(rows):
    lines = plain_table(("x", "y"), rows, (False, False)).splitlines()
    assert len(lines) == len(rows) + 1
    start = lines[0].index("y")
    assert all(line[start:] == row[1] for line, row in zip(lines[1:], rows, strict=True))


def test_a_document_knows_instants_spans_and_paths(capsys):
    print_json({"at": datetime(2026, 1, 2, tzinfo=UTC), "span": timedelta(minutes=1), "path": Path("/x"), "s": {2, 1}})
    assert json.loads(capsys.readouterr().out) == {
        "at": "2026-01-02T00:00:00+00:00",
        "span": 60.0,
        "path": "/x",
        "s": [1, 2],
    }


def test_text_that_is_no_utf8_still_makes_a_document(capsys):
    print_json({"x": "a\udcff"})
    assert json.loads(capsys.readouterr().out) == {"x": "a\udcff"}
