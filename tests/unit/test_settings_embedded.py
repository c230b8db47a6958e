"""When nothing is configured, and what is missing as soon as something is."""

import pytest

from servicemanager.config import load
from servicemanager.errors import ConfigurationError

DATABASE = {"MYSQL_HOST": "db", "MYSQL_USER": "u"}


def mistakes(environ, directory):
    with pytest.raises(ConfigurationError) as caught:
        load(environ, directory)
    return caught.value.mistakes


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"MYSQL_HOST": "", "AWS_REGION": "", "EXPORT_BUCKET": " ", "MIRROR": ""},
        {"PORT": "9000", "TZ": "UTC", "LOG_FORMAT": "json", "SCHEDULER_EXPORT": "0 3 * * *", "PATH": "/bin"},
        {"NODE_ENV": "production", "MYSQLHOST": "x", "export_bucket": "x"},
        {"AWS_CA_BUNDLE": "/etc/ssl/certs/ca.crt", "AWS_PROFILE": "shop"},
    ],
)
def test_nothing_configured_means_the_embedded_database_and_no_notice(tmp_path, environ):
    found = load(environ, tmp_path)
    assert found.embedded
    assert found.notices == ()


@pytest.mark.parametrize("name", ["MYSQL_PASSWORD", "MYSQL_PWD", "AWS_REGION", "EXPORT_X"])
def test_as_soon_as_anything_is_configured_a_missing_host_is_a_mistake_that_says_what(tmp_path, name):
    host, user = mistakes({name: "us-east-1"}, tmp_path)
    assert host.startswith(f"mysql.host is not set. {name} is set, so the embedded database is not used")
    assert "MYSQL_USER" in user


def test_a_mirror_is_a_configuration_too(tmp_path):
    assert "MIRROR is set" in mistakes({"MIRROR": "b"}, tmp_path)[0]


def test_a_variable_of_ours_is_named_before_a_foreign_one(tmp_path):
    assert "EXPORT_BUCKET is set" in mistakes({"EXPORT_A": "x", "EXPORT_BUCKET": "ml-iot"}, tmp_path)[0]


def test_an_empty_file_is_a_configuration_too(tmp_path):
    (tmp_path / "c.yml").write_text("# nothing yet\n")
    assert "c.yml is there" in mistakes({"CONFIG_FILE": "c.yml"}, tmp_path)[0]


def test_a_host_without_an_account_is_one_mistake(tmp_path):
    (mistake,) = mistakes({"MYSQL_HOST": "db"}, tmp_path)
    assert mistake.startswith("mysql.user is not set")


def test_a_command_that_needs_no_database_misses_none(tmp_path):
    found = load({"EXPORT_BUCKET": "ml-iot"}, tmp_path, needs_database=False)
    assert not found.embedded
    assert found.settings.mysql.host == ()


def test_a_missing_bucket_and_a_missing_topic_are_notices(tmp_path):
    bucket, topic = load(DATABASE, tmp_path).notices
    assert bucket == "export.bucket is not set: nothing is exported, and nothing is deleted."
    assert topic == "aws.topicArn is not set: notifications go to the console."


def test_a_missing_bucket_is_no_news_where_the_export_is_off(tmp_path):
    assert not any("bucket" in said for said in load(DATABASE | {"EXPORT_ACTIVE": "no"}, tmp_path).notices)


@pytest.mark.parametrize("bucket", ["file:///srv/archive", "FILE:///srv/archive"])
def test_a_mirror_with_a_local_folder_is_a_mistake(tmp_path, bucket):
    (mistake,) = mistakes(DATABASE | {"MIRROR": "b", "EXPORT_BUCKET": bucket}, tmp_path)
    assert mistake.startswith("variable EXPORT_BUCKET: export.bucket is a folder of this machine")


def test_a_mirror_with_a_path_as_bucket_is_a_mistake_too(tmp_path):
    assert mistakes(DATABASE | {"MIRROR": "b", "EXPORT_BUCKET": "/srv/archive"}, tmp_path)


@pytest.mark.parametrize("name", ["AWS_ACCESSKEYID", "AWS_SECRETACCESSKEY"])
def test_half_a_pair_of_keys_is_a_mistake(tmp_path, name):
    (mistake,) = mistakes(DATABASE | {name: "x"}, tmp_path)
    assert "Set both, or neither" in mistake


def test_traffic_in_the_clear_gets_a_notice(tmp_path):
    def said(**variables):
        return " ".join(load(DATABASE | variables, tmp_path).notices)

    assert "aws.sslEnabled is false" in said(AWS_SSLENABLED="no")
    assert "aws.endpoint begins with http" in said(AWS_ENDPOINT="http://minio:9000")
    assert "aws.endpoint" not in said(AWS_ENDPOINT="http://localhost:9000")
    assert "aws.endpoint" not in said(AWS_ENDPOINT="https://minio:9000")


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("EXPORT_BUKET", "EXPORT_BUCKET"), ("SCHEDULER_EXPORTS", "SCHEDULER_EXPORT"), ("MYSQL_HOSTS", "MYSQL_HOST")],
)
def test_a_variable_that_only_looks_like_ours_gets_a_notice(tmp_path, name, nearest):
    notices = load(DATABASE | {name: "x"}, tmp_path).notices
    assert f"variable {name} is not a setting and is ignored; the nearest is {nearest}." in notices


@pytest.mark.parametrize(
    "name", ["AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "MYSQL_ROOT_PASSWORD", "MYSQL_PASSWORD_FILE", "PORTS", "LOG_LEVEL"]
)
def test_other_peoples_variables_get_no_notice(tmp_path, name):
    (tmp_path / "x").write_text("secret")
    assert not any("is not a setting" in said for said in load(DATABASE | {name: "x"}, tmp_path).notices)
