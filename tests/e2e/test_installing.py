"""`make install`, the command and the unit that it leaves, an upgrade, and `make uninstall`."""

from __future__ import annotations

import json
import os
import pwd
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from servicemanager.config import SETTINGS, load
from support.docs import ROOT
from support.installation import PACKAGING, Installation, assignments, installation

VARIABLES = {name for setting in SETTINGS for name in (*setting.variables, *setting.file_variables)}
SCRIPTS = sorted(path for path in (ROOT / "scripts").iterdir() if not path.suffix and path.is_file())


@pytest.fixture
def telling() -> Iterator[Installation]:
    with installation(telling=True) as made:
        yield made


@pytest.fixture(scope="module")
def working() -> Iterator[Installation]:
    """One that really works, for the tests that change nothing in it."""
    with installation(telling=False) as made:
        done = made.make("install")
        assert done.returncode == 0, done.stderr
        yield made


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_what_was_installed_works_with_the_sample_configuration(working):
    done = working.run("config", "--json")
    assert done.returncode == 0, done.stderr
    settings = json.loads(done.stdout)["settings"]
    assert settings["mysql.host"]["origin"].startswith(f"{working.config}/config.yml")
    assert settings["export.localDirectory"]["value"] == str(working.state)
    assert (settings["export.bucket"]["value"], settings["export.purge"]["value"]) == (None, False)


def test_the_unit_is_one_that_systemd_accepts(working):
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", working.unit], capture_output=True, text=True)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "servicemanager" in line]) == (0, [])
    assert "@" not in re.sub("@system-service|@privileged", "", working.unit.read_text())


def test_the_unit_takes_from_the_service_what_it_does_not_need(working):
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", working.unit]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_unit_starts_what_the_command_starts(working):
    (release,) = working.releases
    assert f"ExecStart={release}/bin/python -I -m servicemanager run\n" in working.unit.read_text()
    assert working.command.read_text().startswith(f"#!{release}/bin/python -I\n")


def test_secrets_are_for_root_and_the_group_of_the_service(working):
    assert {mode(working.config), mode(working.state)} == {0o750}
    assert {mode(path) for path in working.config.iterdir()} == {0o640}


def test_nothing_is_started_and_the_next_step_is_said(telling):
    done = telling.make("install")
    assert done.returncode == 0
    last = done.stdout.splitlines()[-1]
    expected = "systemctl enable --now" if Path("/run/systemd/system").exists() else f"{telling.command} run"
    assert expected in last


def test_the_command_runs_as_the_service_does(telling):
    telling.make("install")
    with (telling.config / "environment").open("a") as file:
        file.write("PORT=8081\nMYSQL_PASSWORD='two words $HOME'\n")
    told = telling.told("status", "--json", TERM="xterm", PORT="80", MIRROR="old", LC_ALL="C.UTF-8")
    assert told["user"] == telling.environ["SERVICE_USER"]
    assert (told["folder"], told["HOME"]) == (str(telling.state), str(telling.state))
    assert told["arguments"] == "-I -m servicemanager status --json"
    assert (told["PORT"], told["MYSQL_PASSWORD"]) == ("8081", "two words $HOME")
    assert told["CONFIG_FILE"] == str(telling.config / "config.yml")
    assert (told["TERM"], told["LC_ALL"]) == ("xterm", "C.UTF-8")
    assert "MIRROR" not in told, "what stood in root's .bash_profile takes no part"


def test_a_strict_umask_of_root_does_not_lock_the_service_out(telling):
    assert telling.make("install", umask=0o077).returncode == 0
    folders = [telling.releases[0], telling.releases[0].parent, telling.command.parent, telling.unit.parent]
    assert {mode(folder) for folder in folders} == {0o755}


def test_a_state_folder_that_the_service_may_write(telling):
    telling.make("install")
    assert pwd.getpwuid(telling.state.stat().st_uid).pw_name == telling.environ["SERVICE_USER"]


def as_somebody_else(telling: Installation, *arguments: str) -> subprocess.CompletedProcess:
    """As a user who may not read the settings: where we are root, without root's right to read everything."""
    (telling.config / "environment").chmod(0)
    less = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"] if os.geteuid() == 0 else []
    return telling.start([*less, sys.executable, "-I", str(telling.command), *arguments])


def test_somebody_who_may_not_read_the_settings_is_told_so(telling):
    telling.make("install")
    done = as_somebody_else(telling, "status")
    assert (done.returncode, done.stdout) == (2, "")
    assert "start the command with sudo" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["--version"], ["export", "--help"], ["demo", "--once"]], ids=" ".join)
def test_what_needs_no_settings_works_for_everybody(telling, arguments):
    telling.make("install")
    done = as_somebody_else(telling, *arguments)
    assert done.returncode == 0
    assert f"arguments={' '.join(['-I', '-m', 'servicemanager', *arguments])}\n" in done.stdout


def test_a_line_of_a_shell_in_the_environment_file_is_named_without_its_secret(telling):
    telling.make("install")
    (telling.config / "environment").write_text("MIRROR=b\nexport MYSQL_PASSWORD=hidden\n")
    done = telling.start([sys.executable, "-I", str(telling.command), "status"])
    assert "MIRROR=b\n" in done.stdout
    assert done.stderr == f"note: {telling.config}/environment: export: no NAME=value, and ignored.\n"


def test_an_upgrade_keeps_the_configuration_and_replaces_the_program(telling):
    telling.make("install")
    (first,) = telling.releases
    written = {path: f"# mine\n{path.read_text()}" for path in telling.config.iterdir()}
    for path, text in written.items():
        path.write_text(text)
    telling.unit.write_text("stale")
    done = telling.make("install")
    assert (done.returncode, done.stdout.count("Kept ")) == (0, 2)
    assert {path: path.read_text() for path in telling.config.iterdir()} == written
    (second,) = telling.releases
    assert first != second
    assert f"{second}/bin/python" in telling.unit.read_text()
    assert f"{second}/bin/python" in telling.command.read_text()


def test_an_upgrade_that_fails_leaves_what_was_there(telling):
    telling.make("install")
    before = {path: path.read_bytes() for path in telling.files()}
    done = telling.make("install", MAKE_VENV="/bin/false")
    assert done.returncode != 0
    assert {path: path.read_bytes() for path in telling.files()} == before


def test_a_program_that_its_user_cannot_run_is_not_installed(telling):
    maker = telling.root / "broken"
    maker.write_text('#!/bin/sh\nmkdir -p "$1/bin" && printf "#!/bin/sh\\nexit 126\\n" >"$1/bin/python"\n')
    maker.chmod(0o755)
    done = telling.make("install", MAKE_VENV=str(maker))
    assert done.returncode != 0
    assert f"The user {telling.environ['SERVICE_USER']} can't run" in done.stderr
    assert telling.files() == []


def test_uninstalling_keeps_configuration_and_state_and_says_so(telling):
    telling.make("install")
    (telling.state / "kept").touch()
    done = telling.make("uninstall")
    assert done.returncode == 0
    assert f"Kept {telling.config}, {telling.state}" in done.stdout
    assert telling.files() == [telling.config / "config.yml", telling.config / "environment", telling.state / "kept"]


def test_purging_leaves_nothing(telling):
    telling.make("install")
    (telling.state / "journal").touch()
    assert telling.make("uninstall", PURGE="1").returncode == 0
    assert telling.files() == []


def test_a_tree_for_a_package_names_the_places_of_its_later_home(telling):
    done = telling.make(
        "install", DESTDIR=f"{telling.root}/tree", PREFIX="/opt/sm", SYSCONFDIR="/etc", STATEDIR="/var/lib"
    )
    assert done.returncode == 0, done.stderr
    tree = telling.root / "tree"
    text = (tree / telling.unit.relative_to("/")).read_text()
    assert "ExecStart=/opt/sm/lib/servicemanager/2" in text
    assert "StateDirectory=servicemanager\n" in text
    assert str(tree) not in text + (tree / "opt/sm/bin/servicemanager").read_text()
    assert "localDirectory: /var/lib/servicemanager/\n" in (tree / "etc/servicemanager/config.yml").read_text()


@pytest.mark.parametrize("folder", ["relative", "/with blank", "/with;rm", "/up/../there"])
def test_a_folder_that_could_be_misread_is_refused(telling, folder):
    for target in ("install", "uninstall"):
        done = telling.make(target, SYSCONFDIR=folder)
        assert (done.returncode, "please give an absolute path" in done.stderr) == (2, True)
    assert telling.files() == []


def uncommented(text: str) -> str:
    """A sample with everything in it that is only proposed."""
    return re.sub(r"^( *)# ?(\w+: \S+)$", r"\1\2", text, flags=re.MULTILINE)


@pytest.mark.parametrize("change", [str, uncommented], ids=["as it is", "with all proposals"])
def test_the_sample_configuration_is_accepted_without_a_mistake(tmp_path, change):
    file = tmp_path / "config.yml"
    file.write_text(change((PACKAGING / "config.yml").read_text().replace("@STATE@", "/var/lib/servicemanager")))
    loaded = load({"CONFIG_FILE": str(file)}, tmp_path)
    assert (loaded.settings.export.bucket is None) is (change is str)
    assert loaded.settings.export.purge is False


def test_every_variable_in_the_sample_environment_is_a_setting():
    names = re.findall(r"^#?([A-Z_]+)=", (PACKAGING / "environment").read_text(), re.MULTILINE)
    assert len(names) > 5
    assert set(names) <= VARIABLES


#: Systemd's own reader of such files, which any user may start.
GENERATOR = "/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator"
SAMPLE = r"""
PLAIN=b
 INDENTED = lead and trail  
DOUBLE="x y\"z"  
SINGLE='q # w' tail
JOINED="a"'b'c"d
CONTINUED=a\
b
#COMMENT=1
;COMMENT=2
  # COMMENT=3
INSIDE=a"b c"d#e;f
LINES="multi
line"
ESCAPED=a\tb\"c\\d
KEPT="a\tb\\c"
BLANK=a\ 
URL=mailto://user:p%40ss@example.com?to=a,b&c=d
no assignment
OPEN='to the end"""  # noqa: W291 -- blanks at the end of a line are part of it


def test_the_environment_file_is_read_as_systemd_reads_it(tmp_path):
    folder = tmp_path / ".config" / "environment.d"
    folder.mkdir(parents=True)
    (folder / "sample.conf").write_text(SAMPLE)
    environ = {"HOME": str(tmp_path)}
    done = subprocess.run([GENERATOR], env=environ, capture_output=True, text=True, check=True)
    theirs = {}
    for line in done.stdout.splitlines():
        name, _, value = line.partition("=")
        theirs[name] = json.loads(value) if value.startswith('"') else value
    ours = {name: value for name, value in assignments(SAMPLE).items() if value is not None}
    assert ours.items() <= theirs.items()
    assert len(ours) == 13


def test_shell_scripts_have_no_mistake_that_shellcheck_knows():
    done = subprocess.run(["shellcheck", "--external-sources", *SCRIPTS], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
