"""What single settings accept and mean, and what `load` makes of variables alone."""

from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from servicemanager.config import SETTINGS, Aws, Export, Mysql, Settings, SslMode, load, render, value_of
from servicemanager.errors import ConfigurationError

DATABASE = {"MYSQL_HOST": "db", "MYSQL_USER": "u"}


def loaded(tmp_path, **variables):
    return load(DATABASE | variables, tmp_path)


def mistakes(tmp_path, **variables):
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, **variables)
    return caught.value.mistakes


def only_mistake(tmp_path, **variables):
    (mistake,) = mistakes(tmp_path, **variables)
    return mistake


def test_every_variable_of_the_seed_is_read_under_its_own_name(tmp_path):
    settings = loaded(
        tmp_path,
        WARNINGLIMIT="30",
        SCHEDULER_MONITOR="*/2 * * * *",
        SCHEDULER_DEVICES="0 * * * *",
        SCHEDULER_STATISTICS="5 1 * * *",
        SCHEDULER_EXPORT="10 3 * * *",
        AWS_REGION="eu-west-1",
        AWS_ACCESSKEYID="AKIA",
        AWS_SECRETACCESSKEY="shh",
        AWS_TOPICARN="arn:aws:sns:sa-east-1:999999999:meccano-devicemanager",
        AWS_SSLENABLED="false",
        MYSQL_HOST="iotdb_hostname",
        MYSQL_PORT="3307",
        MYSQL_USER="user",
        MYSQL_PASSWORD="password",
        MYSQL_DATABASE="OTHER",
        MYSQL_CONNECTIONLIMIT="4",
        EXPORT_ENABLED="false",
        EXPORT_BUCKET="ml-iot",
        EXPORT_LOCALDIRECTORY="/srv/staging/",
        EXPORT_REMOTEDIRECTORY="passagem/",
        EXPORT_PURGE="false",
        EXPORT_DAYS="10",
        MIRROR="INSTANCE-B",
        PORT="80",
        TZ="Brazil/East",
    ).settings
    assert settings.warninglimit == 30
    assert settings.scheduler.model_dump() == {
        "monitor": "*/2 * * * *",
        "devices": "0 * * * *",
        "statistics": "5 1 * * *",
        "export": "10 3 * * *",
        "history": "*/10 * * * *",
        "messages": "0 3 * * *",
        "catch_up": timedelta(hours=24),
        "housekeeping": "30 3 * * *",
        "selfcare": "*/10 * * * *",
    }
    assert settings.aws == Aws(
        region="eu-west-1",
        access_key_id=SecretStr("AKIA"),
        secret_access_key=SecretStr("shh"),
        topic_arn="arn:aws:sns:sa-east-1:999999999:meccano-devicemanager",
        ssl_enabled=False,
    )
    assert settings.mysql == Mysql(
        host=("iotdb_hostname",),
        port=3307,
        user="user",
        password=SecretStr("password"),
        database="OTHER",
        connection_limit=4,
    )
    assert settings.export == Export(
        active=False,
        bucket="ml-iot",
        local_directory=Path("/srv/staging/"),
        remote_directory="passagem/",
        purge=False,
        days=10,
    )
    assert settings.mirror_address == ("INSTANCE-B", 80)
    assert settings.zone == ZoneInfo("Brazil/East")


def test_the_defaults_are_the_documented_ones_and_pass_their_own_checks():
    settings = Settings()
    for setting in SETTINGS:
        value = value_of(settings, setting)
        assert value == setting.default
        if value not in {None, "", ()}:
            assert setting.read(render(value)) == value
    assert settings.scheduler.statistics == "0 0 * * *"
    assert settings.scheduler.export == "0 2 * * *"
    assert settings.aws.ssl_enabled
    assert settings.cluster.lease == timedelta(seconds=15)
    assert settings.export.prefix == ""


def test_settings_cannot_be_changed_once_made():
    with pytest.raises(ValidationError, match="frozen"):
        Settings().export.purge = False


@pytest.mark.parametrize("word", ["false", "False", "FALSE", "no", "off", "0", " false "])
def test_a_variable_that_says_no_means_false(tmp_path, word):
    export = loaded(tmp_path, EXPORT_PURGE=word, EXPORT_ENABLED=word, EXPORT_CSV=word).settings.export
    assert (export.purge, export.active, export.csv) == (False, False, False)


@pytest.mark.parametrize("word", ["falsch", "nein", "2", "undefined", "null", "[]"])
def test_a_word_that_is_neither_true_nor_false_is_a_mistake(tmp_path, word):
    mistake = only_mistake(tmp_path, EXPORT_PURGE=word)
    assert mistake.startswith("variable EXPORT_PURGE: export.purge is")
    assert mistake.endswith("It should be true or false.")


@pytest.mark.parametrize("name", ["EXPORT_DAYS", "MYSQL_PORT", "EXPORT_BUCKET", "TZ", "MIRROR"])
@pytest.mark.parametrize("nothing", ["", "  "])
def test_an_empty_variable_is_the_same_as_none(tmp_path, name, nothing):
    assert loaded(tmp_path, **{name: nothing}) == loaded(tmp_path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("EXPORT_DAYS", "0"),
        ("EXPORT_DAYS", "-1"),
        ("EXPORT_DAYS", "1.5"),
        ("EXPORT_DAYS", "ten"),
        ("EXPORT_DAYS", "9" * 5000),
        ("WARNINGLIMIT", "0"),
        ("MYSQL_PORT", "0"),
        ("MYSQL_PORT", "65536"),
        ("PORT", "http"),
        ("MYSQL_CONNECTIONLIMIT", "3"),
        ("MYSQL_SSLMODE", "yes"),
        ("LOG_FORMAT", "xml"),
        ("AWS_REGION", "São Paulo"),
        ("MYSQL_DATABASE", "a/b"),
        ("MYSQL_USER", "a\x1bb"),
        ("ADDRESS", "0.0.0.0:80"),
        ("MIRROR", "http://other"),
        ("MIRROR", "other:99999"),
        ("AWS_ENDPOINT", "minio:9000"),
        ("AWS_ENDPOINT", "https://"),
    ],
)
def test_a_value_out_of_bounds_is_a_mistake_that_says_what_would_be_right(tmp_path, name, text):
    mistake = only_mistake(tmp_path, **{name: text})
    assert mistake.startswith(f"variable {name}: ")
    assert "It should be " in mistake
    assert len(mistake) < 400
    assert mistake.isprintable()


def test_a_port_that_kubernetes_injected_is_explained(tmp_path):
    assert "enableServiceLinks" in only_mistake(tmp_path, MYSQL_PORT="tcp://10.0.0.1:3306")


@pytest.mark.parametrize(
    ("text", "seconds"), [("15s", 15), ("2m", 120), ("1", 1), ("30", 30), ("1.5s", 1.5), ("2 m", 120)]
)
def test_a_lease_is_a_number_of_seconds_or_has_a_unit(tmp_path, text, seconds):
    assert loaded(tmp_path, CLUSTER_LEASE=text).settings.cluster.lease == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["500ms", "0", "0.9", "-15s", "2h", "61m", "PT15S", "s", "1e3", "nan", "inf"])
def test_a_lease_that_is_too_short_too_long_or_unreadable_is_a_mistake(tmp_path, text):
    assert "from 1 second to 1 hour" in only_mistake(tmp_path, CLUSTER_LEASE=text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0 2 * *", "4 fields"),
        ("0 0 2 * * *", "seconds can't be given"),
        ("60 2 * * *", "minute is wrong"),
        ("0 24 * * *", "hour is wrong"),
        ("0 0 30 2 *", "day-of-month is wrong"),
        ("*/0 * * * *", "minute is wrong"),
        ("0 2 * * MOO", "day-of-week is wrong"),
        ("@daily", '"0 0 * * *"'),
        ("1/2/3 * * * *", "minute is wrong"),
        ("9" * 5000 + " * * * *", "wrong"),
    ],
)
def test_a_cron_pattern_that_never_fires_or_makes_no_sense_is_a_mistake(tmp_path, text, reason):
    assert reason in only_mistake(tmp_path, SCHEDULER_EXPORT=text)


@pytest.mark.parametrize(
    ("name", "pattern", "notice"),
    [
        ("SCHEDULER_EXPORT", "* 2 * * *", 'every minute of hour 2; for once a day write "0 2 * * *"'),
        ("SCHEDULER_STATISTICS", "* 0 * * *", 'every minute of hour 0; for once a day write "0 0 * * *"'),
        ("SCHEDULER_EXPORT", "*/1 3 * * 1", 'every minute of hour 3; for once a day write "0 3 * * 1"'),
        ("SCHEDULER_EXPORT", "0-59 2,3 * * *", 'of hours 2,3; for once a day write "0 2 * * *"'),
        ("SCHEDULER_STATISTICS", "* * * * *", 'fires every minute; for once a day write "0 0 * * *"'),
    ],
)
def test_a_daily_job_that_would_fire_every_minute_gets_a_notice(tmp_path, name, pattern, notice):
    assert any(notice in said for said in loaded(tmp_path, **{name: pattern}).notices)


@pytest.mark.parametrize("pattern", ["0 2 * * *", "0 */6 * * *", "0,30 2 * * *"])
def test_a_daily_job_with_a_plain_pattern_gets_no_notice(tmp_path, pattern):
    assert not any("fires" in said for said in loaded(tmp_path, SCHEDULER_EXPORT=pattern).notices)


def test_the_pattern_of_a_job_that_is_meant_to_run_often_gets_no_notice(tmp_path):
    notices = loaded(tmp_path, SCHEDULER_DEVICES="* * * * *", SCHEDULER_MONITOR="* * * * *").notices
    assert not any("fires" in said for said in notices)


@pytest.mark.parametrize("name", ["America/Sao_Paulo", "Brazil/East", "UTC", ":America/Bahia", "Etc/GMT+3"])
def test_a_zone_is_known_by_its_name(tmp_path, name):
    assert loaded(tmp_path, TZ=name).settings.zone == ZoneInfo(name.removeprefix(":"))


@pytest.mark.parametrize(
    "name",
    ["America", "BRT3", "localtime", ":/etc/localtime", "../../etc/passwd", "right/UTC", "Factory", "a" * 999],
)
def test_a_zone_that_is_none_or_differs_between_machines_is_a_mistake(tmp_path, name):
    assert "there is no such zone" in only_mistake(tmp_path, TZ=name)


def test_a_misspelt_zone_proposes_the_nearest(tmp_path):
    assert "America/Sao_Paulo" in only_mistake(tmp_path, MYSQL_DATETIMEZONE="america/saopaulo").split("It should")[0]


def test_two_variables_for_one_setting_may_agree(tmp_path):
    assert not loaded(tmp_path, EXPORT_ENABLED="no", EXPORT_ACTIVE="false").settings.export.active
    assert loaded(tmp_path, TZ="UTC", TIMEZONE="UTC").settings.timezone == "UTC"


@pytest.mark.parametrize(
    "pair", [{"EXPORT_ENABLED": "no", "EXPORT_ACTIVE": "yes"}, {"TZ": "UTC", "TIMEZONE": "America/Bahia"}]
)
def test_two_variables_that_contradict_each_other_are_a_mistake(tmp_path, pair):
    mistake = only_mistake(tmp_path, **pair)
    assert "contradict each other" in mistake
    assert all(name in mistake for name in pair)


def test_hours_that_no_export_begins_in_are_a_mistake(tmp_path):
    mistake = only_mistake(tmp_path, EXPORT_WINDOW="22:00-04:00", SCHEDULER_EXPORT="30 4,12 * * *")
    assert "export.window (22:00-04:00)" in mistake
    assert loaded(tmp_path, EXPORT_WINDOW="22:00-04:00", SCHEDULER_EXPORT="30 3 * * *").settings.export.hours


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("db", (("db", 3306),)),
        ("db1, db2:3307", (("db1", 3306), ("db2", 3307))),
        ("db1,,db2,", (("db1", 3306), ("db2", 3306))),
        ("192.0.2.1:1", (("192.0.2.1", 1),)),
        ("::1", (("::1", 3306),)),
        ("[2001:db8::1]:65535,a_b", (("2001:db8::1", 65535), ("a_b", 3306))),
    ],
)
def test_several_hosts_stand_in_one_variable_each_with_its_own_port(tmp_path, text, addresses):
    assert loaded(tmp_path, MYSQL_HOST=text).settings.mysql.addresses == addresses


@pytest.mark.parametrize(
    "text", ["/run/mysqld/mysqld.sock", "mysql://db", "a b", "db:", "db:0", "db:99999", "-x", "[::1", "[x]:1"]
)
def test_a_host_that_is_none_is_a_mistake_and_not_a_missing_host(tmp_path, text):
    assert only_mistake(tmp_path, MYSQL_HOST=text).startswith("variable MYSQL_HOST: mysql.host is ")


def test_a_host_list_with_nothing_in_it_is_no_host(tmp_path):
    assert "mysql.host is ','" in only_mistake(tmp_path, MYSQL_HOST=",")


@pytest.mark.parametrize(
    ("text", "name", "folder", "prefix"),
    [
        ("ml-iot", "ml-iot", None, "passagem/"),
        ("s3://ml-iot", "ml-iot", None, "passagem/"),
        ("s3://ml-iot/", "ml-iot", None, "passagem/"),
        ("S3://ml-iot/sub/dir", "ml-iot", None, "sub/dir/passagem/"),
        ("file:///srv/archive", None, Path("/srv/archive"), "passagem/"),
        ("FILE:///srv/my%20archive/", None, Path("/srv/my archive"), "passagem/"),
    ],
)
def test_a_bucket_is_a_name_or_a_url(tmp_path, text, name, folder, prefix):
    export = loaded(tmp_path, EXPORT_BUCKET=text, EXPORT_REMOTEDIRECTORY="passagem").settings.export
    assert (export.bucket_name, export.folder, export.prefix) == (name, folder, prefix)


@pytest.mark.parametrize(
    "text",
    [
        "My_Bucket",
        "ab",
        "a" * 64,
        "-ml",
        "ml..iot",
        "xn--x",
        "192.168.1.1",
        "ml-iot/passagem",
        "/srv/archive",
        "./archive",
        "file:/srv/archive",
        "file://srv/archive",
        "file:///",
        "file:///srv/../etc",
        "file:///srv/%2e%2e/etc",
        "file:///srv/a%00b",
        "gs://ml-iot",
        "https://s3.amazonaws.com/ml-iot",
        "s3://",
        "s3://ml-iot/../x",
        "s3://ml-iot?region=x",
        "s3://[ml-iot",
    ],
)
def test_a_bucket_that_can_be_none_is_a_mistake(tmp_path, text):
    assert "variable EXPORT_BUCKET" in only_mistake(tmp_path, EXPORT_BUCKET=text)


@pytest.mark.parametrize(
    ("text", "prefix"),
    [("passagem", "passagem/"), ("/passagem//", "passagem/"), ("/", ""), ("//a/b/", "a/b/"), ("a b", "a b/")],
)
def test_a_prefix_has_no_slash_before_it_and_exactly_one_behind(tmp_path, text, prefix):
    assert loaded(tmp_path, EXPORT_REMOTEDIRECTORY=text).settings.export.prefix == prefix


@pytest.mark.parametrize("text", ["..", "a/../b", "./a", "a//b", "a\\b", "a\nb", "é" * 300])
def test_a_prefix_that_leaves_the_bucket_or_fits_no_key_is_a_mistake(tmp_path, text):
    assert "variable EXPORT_REMOTEDIRECTORY" in only_mistake(tmp_path, EXPORT_REMOTEDIRECTORY=text)


@given(st.text())
def test_a_prefix_is_refused_or_ends_in_one_slash_and_is_stable(text):
    try:
        export = Export(remote_directory=text)
    except ValidationError:
        return
    assert export.prefix == "" or (export.prefix.endswith("/") and not export.prefix.endswith("//"))
    assert not export.prefix.startswith("/")
    assert ".." not in export.prefix.split("/")
    assert Export(remote_directory=export.prefix) == export


@pytest.mark.parametrize(
    "text", ["meccano", "arn:aws:sqs:sa-east-1:1:x", "arn:aws:sns:sa-east-1::x", "arn:aws:sns:sa-east-1:1:x y"]
)
def test_a_topic_that_is_no_arn_is_a_mistake(tmp_path, text):
    assert "variable AWS_TOPICARN" in only_mistake(tmp_path, AWS_TOPICARN=text)


def test_sns_takes_its_region_from_the_topic_and_else_from_the_setting():
    assert Aws(topic_arn="arn:aws-us-gov:sns:us-gov-west-1:1:x.fifo").topic_region == "us-gov-west-1"
    assert Aws(region="eu-west-1").topic_region == "eu-west-1"


@pytest.mark.parametrize("text", ["verify_ca", "VERIFY_CA", "Verify-CA"])
def test_a_tls_mode_may_be_written_as_mysql_writes_it(tmp_path, text):
    assert loaded(tmp_path, MYSQL_SSLMODE=text).settings.mysql.ssl_mode is SslMode.VERIFY_CA


@pytest.mark.parametrize(
    ("mirror", "address"),
    [("b", ("b", 8000)), ("b:80", ("b", 80)), ("[::1]:80", ("::1", 80)), ("192.0.2.1", ("192.0.2.1", 8000))],
)
def test_the_mirror_has_this_port_unless_it_names_its_own(tmp_path, mirror, address):
    assert loaded(tmp_path, MIRROR=mirror).settings.mirror_address == address


def test_an_authority_without_tls_gets_a_notice(tmp_path):
    assert any("mysql.sslCa has no effect" in said for said in loaded(tmp_path, MYSQL_SSLCA="/ca.pem").notices)


@given(st.sampled_from(sorted({name for setting in SETTINGS for name in setting.variables})), st.text())
def test_whatever_a_variable_holds_the_answer_is_settings_or_sentences(name, text):
    sentences: tuple[str, ...] = ("",)
    settings = Settings()
    try:
        settings = load(DATABASE | {name: text}, Path("/nonexistent")).settings
    except ConfigurationError as error:
        sentences = error.mistakes
    assert sentences
    assert all(sentence.isprintable() for sentence in sentences)
    assert Settings.model_validate(settings.model_dump()) == settings
