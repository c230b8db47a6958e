"""No secret shows in a mistake, a notice, a repr or the command's output."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from servicemanager.config import SETTINGS, Settings, load
from servicemanager.config.wording import name_shown, shown
from servicemanager.errors import ConfigurationError

DATABASE = {"MYSQL_HOST": "db", "MYSQL_USER": "u"}
SECRETS = [setting for setting in SETTINGS if setting.secret]
SECRET = "hunter2"


def said(environ, directory):
    """Everything that loading says, be it mistakes or the result's own words."""
    try:
        found = load(environ, directory)
    except ConfigurationError as error:
        return str(error)
    return repr(found) + str(found.settings) + found.settings.model_dump_json()


def file(tmp_path, text):
    (tmp_path / "c.yml").write_text(text)
    return DATABASE | {"CONFIG_FILE": "c.yml"}


def test_the_keys_and_the_password_are_the_secrets():
    assert [setting.key for setting in SECRETS] == [
        "aws.accessKeyId",
        "aws.secretAccessKey",
        "mysql.password",
        "notify.urls",
        "notify.heartbeatUrl",
        "web.password",
    ]


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_secret_comes_from_the_file_that_a_variable_names(tmp_path, ending):
    (tmp_path / "password").write_bytes(b" s\xc3\xa9cret " + ending.encode())
    found = load(DATABASE | {"MYSQL_PASSWORD_FILE": "password"}, tmp_path)
    assert found.settings.mysql.password.get_secret_value() == " sécret "
    assert found.origins["mysql.password"] == "file password named by MYSQL_PASSWORD_FILE"


def test_only_one_line_break_is_stripped_from_a_secret(tmp_path):
    (tmp_path / "password").write_text("a\n\n")
    found = load(DATABASE | {"MYSQL_PASSWORD_FILE": str(tmp_path / "password")}, tmp_path)
    assert found.settings.mysql.password.get_secret_value() == "a\n"


def test_a_secret_in_a_variable_keeps_its_spaces(tmp_path):
    found = load(DATABASE | {"MYSQL_PASSWORD": " a "}, tmp_path)
    assert found.settings.mysql.password.get_secret_value() == " a "


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"hunter2\xff", "not UTF-8"),
        (b"x" * 2**21, "MiB"),
    ],
)
def test_a_secret_file_that_holds_none_is_a_mistake(tmp_path, content, reason):
    if content is not None:
        (tmp_path / "password").write_bytes(content)
    words = said(DATABASE | {"MYSQL_PASSWORD_FILE": "password"}, tmp_path)
    assert words.startswith("variable MYSQL_PASSWORD_FILE: ")
    assert reason in words
    assert SECRET not in words


@pytest.mark.parametrize("setting", SECRETS, ids=lambda setting: setting.key)
def test_a_secret_both_in_a_variable_and_in_a_file_is_a_mistake(tmp_path, setting):
    (tmp_path / "s").write_text(SECRET)
    (name,), (file_name,) = setting.variables, setting.file_variables
    words = said(DATABASE | {name: SECRET, file_name: "s"}, tmp_path)
    assert f"variables {name} and {file_name} are both set" in words
    assert SECRET not in words
    assert "both set" not in said(DATABASE | {name: "", file_name: "s"}, tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        "password: *hunter2",
        "password: !hunter2",
        "password: !hunter2 x",
        "password: !hunter2!x y",
        "password: &hunter2",
        "password:hunter2",
        "{password:hunter2}",
        "password: [hunter2]",
        "password: {hunter2: hunter2}",
        "password: 'hunter2",
        'password: "hunter2\\q"',
        "password: 'x'hunter2",
        "password: |hunter2",
        "password: >hunter2",
        "password: %hunter2",
        "password: @hunter2",
        "password: `hunter2`",
        "password: hunter2: x",
        "password: hunter2\n    password: hunter2",
        "password: hunter2\n    port: hunter2",
        "password: hunter2\n    host: mysql://u:hunter2@db",
        "passwrod: hunter2",
        "? hunter2 secret\n    : x",
        "port: 1\n    password hunter2",
        "password: ]hunter2",
        "password: ? hunter2",
        "password: \x01hunter2",
        'password: "\\ud800hunter2"',
    ],
)
def test_no_slip_in_the_file_gives_the_password_away(tmp_path, line):
    words = said(file(tmp_path, f"default:\n  mysql:\n    {line}\n"), tmp_path)
    if line.startswith("? hunter2"):
        words = words.replace("mysql.hunter2…", "")  # a key can't be told from a secret
    assert SECRET not in words
    assert words


def test_a_password_that_yaml_takes_for_an_anchor_or_a_comment_gets_a_notice(tmp_path):
    for value in ("&hunter2", "#hunter2", ""):
        environ = file(tmp_path, f"default:\n  mysql:\n    password: {value}\n")
        notices = load(environ, tmp_path).notices
        assert any("c.yml:3: mysql.password is empty" in notice for notice in notices)


def test_a_login_inside_a_url_is_never_shown(tmp_path):
    for name in ("EXPORT_BUCKET", "AWS_ENDPOINT", "MYSQL_HOST", "MIRROR", "PORT"):
        for url in ("s3://key:hunter2@ml-iot", "https://key:hunter2@host", "x://hunter2@host:1/?a=b@c"):
            words = said(DATABASE | {name: url}, tmp_path)
            assert words.startswith(f"variable {name}")
            assert SECRET not in words


def test_a_secret_that_stands_in_another_setting_too_is_not_shown_there(tmp_path):
    words = said(DATABASE | {"MYSQL_PASSWORD": SECRET, "MYSQL_PORT": "hunter2", "EXPORT_DAYS": "x"}, tmp_path)
    assert "mysql.port is not shown" in words
    assert "export.days is 'x'" in words
    assert SECRET not in words


def test_a_secret_that_is_no_text_is_a_mistake_without_it(tmp_path):
    words = said(DATABASE | {"MYSQL_PASSWORD": f"{SECRET}\udcff"}, tmp_path)
    assert words == "variable MYSQL_PASSWORD: mysql.password can't be read: it is not UTF-8 text. It should be text."


_SECRET_TEXT = st.text(min_size=1, max_size=20).map(lambda text: f"S3cr3t{text}S3cr3t")


@given(_SECRET_TEXT, st.sampled_from(["{}", "'{}", '"{}', "[{}", "{{{}", "!{}", "*{}", "&{} :", "{}: {}", "x\n{}"]))
@example("S3cr3t'S3cr3t", "*{}")
def test_no_secret_of_any_spelling_survives_a_broken_file(tmp_path_factory, secret, slip):
    tmp_path = tmp_path_factory.getbasetemp()
    text = f"default:\n  mysql:\n    password: {slip.replace('{}', secret)}\n    port: 99999\n"
    (tmp_path / "s.yml").write_bytes(text.encode("utf-8", "replace"))
    words = said(DATABASE | {"CONFIG_FILE": "s.yml", "MYSQL_PASSWORD": secret}, tmp_path)
    assert "S3cr3t" not in words


@given(st.text(), st.sets(st.text(min_size=1)))
def test_a_quoted_value_is_one_printable_line_of_bounded_length(text, secrets):
    quoted = shown(text, secrets)
    assert len(quoted) < 1000
    assert quoted.isprintable()


@given(st.text())
def test_a_shown_name_is_a_prefix_of_the_name_and_plain(name):
    head = name_shown(name).removesuffix("…")
    assert name.startswith(head)
    assert re.fullmatch(r"[A-Za-z0-9_.-]{0,64}", head)


def test_the_models_own_errors_do_not_quote_their_input():
    with pytest.raises(ValueError, match="not permitted") as caught:
        Settings.model_validate({"mysql": {"password": [SECRET], SECRET[::-1]: SECRET}})
    assert SECRET not in str(caught.value)
