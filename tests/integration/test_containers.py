"""The files for containers. No container is built or started here; what they say is checked."""

from __future__ import annotations

import fnmatch
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from servicemanager.config import SETTINGS, load
from support.cli import bare_environ, servicemanager
from support.docs import ROOT
from support.installation import PACKAGING

FOLDER = PACKAGING / "container"
CONTAINERFILE = (FOLDER / "Containerfile").read_text()
COMPOSE = yaml.safe_load((FOLDER / "compose.yml").read_text())
SERVICE = COMPOSE["services"]["servicemanager"]
ASKED_FOR = set(re.findall(r"^(\w+)=", (FOLDER / "env.example").read_text(), re.MULTILINE))
COPIED = [word for line in re.findall(r"^COPY (?!--)(.+) ", CONTAINERFILE, re.MULTILINE) for word in line.split()]


def filled_in(value: object) -> str:
    return re.sub(r"\$\{(\w+):\?[^}]*\}", r"the-\1", str(value))


def test_the_service_gets_settings_that_exist_and_go_together(tmp_path):
    known = {name for setting in SETTINGS for name in setting.variables}
    assert SERVICE["environment"].keys() <= known
    environ = {name: filled_in(value) for name, value in SERVICE["environment"].items()}
    loaded = load(environ, tmp_path)
    assert loaded.settings.mysql.addresses == (("database", 3306),)
    assert loaded.settings.export.bucket == "archive"
    expected = ("topicArn", "in the clear")  # notices on the console, and a network of the containers' own
    assert [notice for notice in loaded.notices if not any(words in notice for words in expected)] == []


def test_every_secret_is_asked_for_and_none_is_written_down():
    text = (FOLDER / "compose.yml").read_text()
    assert set(re.findall(r"\$\{(\w+)", text)) == ASKED_FOR
    for service in COMPOSE["services"].values():
        for name, value in service["environment"].items():
            if re.search("PASSWORD|ACCESS", name) and name != "MARIADB_RANDOM_ROOT_PASSWORD":
                assert re.fullmatch(r"\$\{\w+:\?.+\}", value), name
    assert not re.findall(r"^(?:ENV|ARG).*(?:PASSWORD|SECRET|KEY)", CONTAINERFILE, re.MULTILINE)
    assert not re.findall(r"^\w+=.+", (FOLDER / "env.example").read_text(), re.MULTILINE)


def test_services_wait_for_services_that_there_are_and_volumes_are_declared():
    services = COMPOSE["services"]
    for service in services.values():
        assert set(service.get("depends_on", ())) <= services.keys()
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert (FOLDER / source).is_file() if source.startswith(".") else source in COMPOSE["volumes"]
    assert (FOLDER / SERVICE["build"]["context"]).resolve() == ROOT
    assert (ROOT / SERVICE["build"]["dockerfile"]).is_file()


def test_the_bucket_is_made_once(s3_server):
    service = COMPOSE["services"]["bucket"]
    (code,) = service["command"]
    environ = {name: filled_in(value) for name, value in service["environment"].items()}
    assert "http://storage:7070" in code
    for _ in range(2):
        command = [sys.executable, "-I", "-c", code.replace("http://storage:7070", s3_server.url)]
        subprocess.run(command, env={**bare_environ(Path("/")), **environ}, check=True, timeout=60)
    assert "archive" in [bucket["Name"] for bucket in s3_server.client.list_buckets()["Buckets"]]


def test_the_service_has_no_more_rights_than_it_needs():
    assert (SERVICE["read_only"], SERVICE["cap_drop"]) == (True, ["ALL"])
    users = re.findall(r"^USER (\S+)$", CONTAINERFILE, re.MULTILINE)
    assert [int(user) > 0 for user in users] == [True]


def test_what_the_image_is_built_from_is_there_and_is_all_that_it_takes():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {project["readme"], *project["license-files"], "pyproject.toml", "src"} <= set(COPIED)
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for source in COPIED:
        assert (ROOT / source).exists(), source
        assert any(fnmatch.fnmatch(source, pattern) for pattern in let_in), source


def test_the_health_of_the_container_is_that_of_healthz_on_its_port():
    (words,) = re.findall(r"^HEALTHCHECK .*? CMD (\[.+?\])$", CONTAINERFILE.replace("\\\n", ""), re.MULTILINE)
    python, *_, code = json.loads(words)
    assert python == "python"
    compile(code, "the check", "exec")
    assert "/healthz" in code
    assert "os.environ.get('PORT')" in code


@pytest.fixture
def tried_out(mysql_server, mysql_database) -> dict[str, str]:
    """The compose file's database, made of its own script."""
    statements = re.sub(r"^--.*$", "", (FOLDER / "iotdb.sql").read_text(), flags=re.MULTILINE).split(";")
    mysql_server.execute(*(text for text in statements if text.strip()), database=mysql_database)
    return {
        "MYSQL_HOST": mysql_server.host,
        "MYSQL_PORT": str(mysql_server.port),
        "MYSQL_USER": mysql_server.user,
        "MYSQL_PASSWORD": mysql_server.password,
        "MYSQL_DATABASE": mysql_database,
    }


def test_the_tables_to_try_it_on_are_a_platform_that_nothing_is_wrong_with(tried_out, tmp_path):
    environ = tried_out | {"EXPORT_BUCKET": f"file://{tmp_path}/bucket", "EXPORT_LOCALDIRECTORY": str(tmp_path)}
    (tmp_path / "bucket").mkdir()
    checked = servicemanager("db", "check", "--json", environ=environ, folder=tmp_path)
    assert checked.status == 0, checked.stderr
    for job in ("devices", "history", "statistics", "export", "messages"):
        done = servicemanager("run-job", job, "--json", environ=environ, folder=tmp_path)
        assert (done.status, done.document["problems"]) == (0, []), done.stderr
