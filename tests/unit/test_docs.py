"""The documentation says what the program does: names, examples, messages and links."""

import ast
import json
import os
import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import typer
import yaml

from servicemanager import errors
from servicemanager.archive.folder import FolderStore
from servicemanager.cli.app import app
from servicemanager.config import SETTINGS, load
from servicemanager.iotdb.tables import ours
from support.docs import DOCS, PAGES, ROOT, anchor, blocks, headings, prose, rows, section
from support.exports import days_ago, make_job, run
from support.iotdb import reading, sqlite_iotdb

COMMANDS = DOCS / "reference" / "commands.md"
JOURNAL = DOCS / "reference" / "journal.md"
MIGRATE = DOCS / "how-to" / "migrate-from-node.md"
RECOVER = DOCS / "how-to" / "recover.md"
READING = DOCS / "how-to" / "read-the-archive.md"
RIGHTS = DOCS / "reference" / "grants-and-policy.md"

named = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@named
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith(("http://", "https://")):
            continue
        path, _, fragment = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        assert not fragment or fragment in map(anchor, headings(found)), target


@named
def test_every_page_but_the_entrance_is_linked_from_another(page):
    linked = {
        (other.parent / target.partition("#")[0]).resolve()
        for other in PAGES
        for target in re.findall(r"\]\(([^)\s]+)\)", prose(other))
        if other != page and "://" not in target
    }
    assert page == ROOT / "README.md" or page in linked


def documented_options(heading: str) -> set[str]:
    firsts = [row[0] for row in rows(section(COMMANDS, heading))]
    return {option for cell in firsts for option in re.findall(r"`(--[\w-]+)`", cell)}


def real_commands() -> dict[str, set[str]]:
    """Every command with its options, --help apart, and what the program says to itself."""
    found = {}

    def walk(command, name):
        shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
        options = {option for parameter in shown for option in parameter.opts if option.startswith("-")}
        inner = getattr(command, "commands", {})
        if options - {"--help"} or not inner:
            found[name] = options - {"--help"}
        for word, child in inner.items():
            walk(child, f"{name} {word}")

    walk(typer.main.get_command(app), "servicemanager")
    return found


def test_the_reference_of_commands_names_each_command_and_option_and_no_other():
    names = [text.strip("`") for text in headings(COMMANDS) if text.startswith("`servicemanager")]
    assert {name: documented_options(name) for name in names} == real_commands()


def test_every_command_that_a_page_shows_exists_with_its_options():
    commands = real_commands()
    for page in PAGES:
        for line in "\n".join(blocks(page, "console")).splitlines():
            if not line.startswith("$ servicemanager "):
                continue
            shown = line.partition("#")[0].split()[1:]
            # Arguments may follow, so the longest name that it begins with.
            begins = [name for name in commands if shown[: len(name.split())] == name.split()]
            name = max(begins, key=len, default="")
            assert name.count(" ") > 0, line
            assert {word for word in shown if word.startswith("--")} <= commands[name], line


def test_every_exit_status_has_its_meaning():
    statuses = {kind.exit_status for kind in vars(errors).values() if hasattr(kind, "exit_status")}
    assert {row[0] for row in rows(section(COMMANDS, "Exit statuses"))} == {"0", *map(str, statuses)}


def test_every_setting_and_variable_that_is_named_exists():
    keys = {key for setting in SETTINGS for key in setting.keys}
    variables = {name for setting in SETTINGS for name in (*setting.variables, *setting.file_variables)}
    groups = "|".join({key.split(".")[0] for key in keys if "." in key})
    for page in PAGES:
        text = page.read_text()
        assert set(re.findall(rf"`((?:{groups})\.\w+)", text)) <= keys | {"scheduler.*"}, page
        assert set(re.findall(r"\b(?:MYSQL|EXPORT|SCHEDULER)_[A-Z_]+\b", text)) <= variables, page


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "yaml")], ids=lambda page: page.stem)
def test_every_example_of_a_config_file_loads_without_a_mistake(page, tmp_path):
    for n, text in enumerate(blocks(page, "yaml")):
        file = tmp_path / f"config-{n}.yml"
        file.write_text(text)
        loaded = load({"CONFIG_FILE": str(file)}, tmp_path)
        written = yaml.safe_load(text)["default"]
        assert {key.split(".")[0] for key, origin in loaded.origins.items() if origin != "default"} == set(written)


def test_the_first_configuration_means_what_the_readme_says(tmp_path):
    (text,) = blocks(ROOT / "README.md", "yaml")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yml").write_text(text)
    settings = load({}, tmp_path).settings
    assert settings.mysql.addresses == (("iotdb.example.com", 3306),)
    assert (settings.export.bucket, settings.export.prefix) == ("archive-of-shops", "passagem/")
    assert (settings.export.purge, settings.export.days) == (True, 10)


def test_every_policy_and_every_other_json_is_json():
    found = [json.loads(text) for page in PAGES for text in blocks(page, "json")]
    policies = [document for document in found if "Statement" in document]
    assert [statement["Effect"] for policy in policies for statement in policy["Statement"]] == ["Allow"] * 2


def test_the_journal_names_each_of_our_tables_and_columns_and_no_other():
    described: dict[str, set[str]] = {}
    for heading in headings(JOURNAL):
        tables = re.findall(r"`(sm_\w+)`", heading)
        columns = {name for row in rows(section(JOURNAL, heading)) for name in re.findall(r"`(\w+)`", row[0])}
        described |= dict.fromkeys(tables, columns)
    assert described.keys() == ours.tables.keys()
    for table in ours.tables.values():
        assert set(table.columns.keys()) <= described[table.name], table.name
    together = {name for table in ours.tables.values() for name in table.columns.keys()}  # noqa: SIM118
    assert set().union(*described.values()) <= together


def test_the_readme_names_every_setting_of_the_migration_table():
    in_readme = section(ROOT / "README.md", "Coming from the Node version")
    for row in rows(section(MIGRATE, "Differences")):
        for name in re.findall(r"`([\w.*]+)`", row[0]):
            assert f"`{name}`" in in_readme or name == "TIMEZONE", name


def said_by_the_program() -> list[str]:
    """Every text in the program, with … where a value goes."""
    texts = []
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                texts.append("".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return texts


def test_every_message_to_recover_from_is_one_that_the_program_says():
    quoted = [text for heading in headings(RECOVER) for text in re.findall(r"`([^`]+)`", heading)]
    quoted += [row[0].strip("`") for row in rows(section(RECOVER, "Held back"))]
    said = said_by_the_program()
    for message in quoted:
        pieces = [piece.strip() for piece in message.split("…") if piece.strip()]
        assert any(all(piece in text for piece in pieces) for text in said), message


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    """A folder with an embedded database and archive, as the demo leaves it; one day has two generations."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "staging").mkdir()
    iotdb = sqlite_iotdb(folder / "servicemanager-data" / "iotdb.sqlite")
    store = FolderStore(folder / "servicemanager-data" / "archive")
    iotdb.insert([reading(days_ago(day), data=n, device="ção;\n") for day in (3, 2, 1, 0) for n in range(9)])
    from servicemanager.iotdb.upgrade import upgrade

    upgrade(iotdb.database)
    run(make_job(iotdb, store, folder / "staging"))
    iotdb.insert([reading(days_ago(3), data=-1)])
    run(make_job(iotdb, store, folder / "staging"))
    iotdb.database.close()
    return folder


EXAMPLES = [
    pytest.param(text, id=f"{page.stem}-{n}")
    for page in PAGES
    for n, text in enumerate(blocks(page, "python"))
    if "servicemanager-data/" in text
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_that_reads_the_demo_runs(example, demo, monkeypatch, capsys):
    monkeypatch.chdir(demo)
    exec(compile(example, "an example", "exec"), {})  # noqa: S102 -- our own documentation
    assert capsys.readouterr().out or "INSERT" in example


def test_the_fingerprint_as_described_is_that_of_every_label(demo, monkeypatch, capsys):
    (example,) = [text for text in blocks(DOCS / "reference" / "archive-format.md", "python") if "fingerprint" in text]
    monkeypatch.chdir(demo)
    exec(compile(example, "an example", "exec"), {})  # noqa: S102 -- our own documentation
    assert capsys.readouterr().out.count("sound:") == 4


@pytest.mark.parametrize(
    ("engine", "spelled"),
    [
        ("Athena", {"string": "string", "int64": "bigint", "timestamp": "timestamp"}),
        ("Trino", {"string": "varchar", "int64": "bigint", "timestamp": "timestamp(6)"}),
    ],
)
def test_the_tables_of_other_engines_have_the_columns_of_the_archive(engine, spelled):
    from servicemanager.archive.parquet import Arranged
    from servicemanager.iotdb.reader import READ_SCHEMA
    from servicemanager.iotdb.stored import WallTime

    archived = Arranged(READ_SCHEMA.empty_table(), WallTime(ZoneInfo("UTC"))).schema
    columns = [f"{field.name} {spelled[str(field.type).partition('[')[0]]}" for field in archived]
    (statement,) = re.findall(r"```sql\n(.+?)```", section(READING, engine), re.DOTALL)
    declared = re.findall(r"^ +(.+?),?$", statement.partition("\n)")[0], re.MULTILINE)
    in_file = ", ".join(declared).partition(", creation_date date")[0].split(", ")
    assert in_file == columns[:-1]
    assert {str(field.type) for field in archived} == {"string", "int64", "timestamp[us, tz=UTC]", "timestamp[us]"}
    # The last one is only there where the database holds wall times.
    assert f"`{columns[-1]}`" in " ".join(section(READING, "If `Facts.creationDate` is a DATETIME column").split())


def test_the_sample_label_is_read_as_a_label():
    from servicemanager.archive.parquet import LABEL, Label

    label, marker = blocks(DOCS / "reference" / "archive-format.md", "json")
    assert Label.from_metadata({LABEL: label}).generation == 1
    assert json.loads(marker).keys() == {"format", "database"}


def test_no_page_speaks_of_this_machine():
    for page in PAGES:
        text = page.read_text()
        assert not re.findall(r"/(?:work|home|root)/", text), page
        assert os.uname().nodename not in text.split(), page


def test_the_notebook_runs_to_its_plot(demo, monkeypatch, tmp_path):
    import nbformat
    from nbclient import NotebookClient

    # Neither a profile of the developer's nor a window takes part.
    for name, value in {"IPYTHONDIR": tmp_path, "MPLCONFIGDIR": tmp_path, "JUPYTER_RUNTIME_DIR": tmp_path}.items():
        monkeypatch.setenv(name, str(value))
    notebook = nbformat.read(ROOT / "examples" / "readings.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(demo)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert "image/png" in outputs[-1]["data"]
    assert str(days_ago(3).day) in outputs[0]["data"]["text/plain"]
