"""What the configuration file may look like, and which place a mistake in it is told with."""

from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicemanager.config import load
from servicemanager.config.yaml_file import parse_config
from servicemanager.errors import ConfigurationError

DATABASE = {"MYSQL_HOST": "db", "MYSQL_USER": "u"}

SEED = """\
    default:
      warninglimit: 60
      scheduler:
        monitor: '*/1 * * * *'
        devices: '*/10 * * * *'
        statistics: '* 0 * * *'
        export: '* 2 * * *'
      aws:
        region: 'sa-east-1'
        accessKeyId: '****************'
        secretAccessKey: '******************'
        topicArn: 'arn:aws:sns:sa-east-1:999999999:meccano-devicemanager'
        sslEnabled: false
      mysql:
        host: 'iotdb_hostname'
        port: 3306
        user: 'user'
        password: 'password'
        database: 'IOTDB'
      export:
        active: true
        bucket: ml-iot
        localDirectory: /tmp/
        remoteDirectory: passagem/
        purge: true
        days: 10
    """


@pytest.fixture
def loaded(tmp_path):
    def load_text(text, **variables):
        path = tmp_path / "config" / "config.yml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(dedent(text))
        return load(DATABASE | variables, tmp_path)

    return load_text


@pytest.fixture
def mistakes(loaded):
    def mistakes_in(text, **variables):
        with pytest.raises(ConfigurationError) as caught:
            loaded(text, **variables)
        return caught.value.mistakes

    return mistakes_in


def test_the_seeds_own_file_is_read_as_it_is(loaded):
    found = loaded(SEED, MYSQL_HOST="", MYSQL_USER="")
    assert found.settings.mysql.addresses == (("iotdb_hostname", 3306),)
    assert found.settings.export.days == 10
    assert found.settings.export.prefix == "passagem/"
    assert not found.settings.aws.ssl_enabled
    assert found.origins["export.days"] == "config/config.yml:26 (block default)"
    assert found.origins["mysql.connectionLimit"] == "default"
    assert not found.embedded
    assert len([said for said in found.notices if "fires every minute" in said]) == 2


def test_a_false_in_quotes_means_false(loaded):
    export = loaded('default: {export: {purge: "false", enabled: "no"}}').settings.export
    assert (export.purge, export.active) == (False, False)


@pytest.mark.parametrize("key", ["active", "enabled"])
@pytest.mark.parametrize("word", ["false", "off", "No", "0"])
def test_both_names_switch_the_export_off(loaded, key, word):
    assert not loaded(f"default: {{export: {{{key}: {word}}}}}").settings.export.active


def test_the_environments_block_beats_the_default_one_setting_by_setting(loaded):
    text = """\
        default:
          mysql: {port: 1, database: A}
          export: {active: true}
        production:
          mysql: {port: 2}
          export: {enabled: false}
        """
    development, production = loaded(text), loaded(text, NODE_ENV="production")
    assert (development.settings.mysql.port, production.settings.mysql.port) == (1, 2)
    assert production.settings.mysql.database == "A"
    assert (development.settings.export.active, production.settings.export.active) == (True, False)
    assert production.origins["mysql.port"] == "config/config.yml:5 (block production)"


def test_the_environment_is_development_unless_it_is_named(loaded):
    text = "default: {port: 1}\ndevelopment: {port: 2}\n"
    assert loaded(text).settings.port == 2
    assert loaded(text, NODE_ENV=" ").settings.port == 2
    assert loaded(text, NODE_ENV="default").settings.port == 1


def test_a_variable_beats_the_file_whichever_name_either_uses(loaded):
    found = loaded("default: {export: {active: true}, port: 1}", EXPORT_ENABLED="false", PORT="2")
    assert (found.settings.export.active, found.settings.port) == (False, 2)
    assert found.origins["export.active"] == "variable EXPORT_ENABLED"


@pytest.mark.parametrize("nothing", ["", "~", "null", "''", '"  "'])
def test_an_empty_value_is_the_same_as_none(loaded, nothing):
    text = f"default:\n  port: 1\n  export:\n    bucket: {nothing}\ndevelopment:\n  port: {nothing}\n"
    assert loaded(text).settings.port == 1
    assert loaded(text).settings.export.bucket is None
    assert loaded(text, PORT="").origins["port"] == "config/config.yml:2 (block default)"


def test_empty_groups_blocks_and_files_say_nothing(loaded):
    for text in ("", "# nothing\n", "default:\n", "default:\n  mysql:\n", "---\n"):
        found = loaded(text)
        assert set(found.origins.values()) == {"default", "variable MYSQL_HOST", "variable MYSQL_USER"}
        assert not found.embedded


def test_values_are_the_text_that_was_written_whatever_yaml_takes_them_for(loaded):
    mysql = loaded("default: {mysql: {password: 0123, user: 2026-01-02, database: yes}}", MYSQL_USER="").settings.mysql
    assert mysql.password.get_secret_value() == "0123"
    assert (mysql.user, mysql.database) == ("2026-01-02", "yes")


def test_hosts_may_be_a_list(loaded):
    found = loaded("default: {mysql: {host: [db1, 'db2:3307']}}", MYSQL_HOST="")
    assert found.settings.mysql.host == ("db1", "db2:3307")


def test_anchors_and_merge_keys_work(loaded):
    text = """\
        default:
          mysql: &db {port: 1, database: A}
        production: &production
          mysql:
            <<: *db
            port: 2
        staging:
          <<: [*production]
          port: 3
        """
    settings = loaded(text, NODE_ENV="staging").settings
    assert (settings.mysql.port, settings.mysql.database, settings.port) == (2, "A", 3)


@pytest.mark.parametrize(
    "text",
    [
        "default: &d {<<: *d, port: 1}",
        "default: &d {mysql: *d}",
        "x: &x {<<: [*x, *x]}\ndefault: {<<: *x}",
        "default: {export: &e {<<: *e}}",
    ],
)
def test_a_group_that_contains_itself_is_read_once(text):
    assert parse_config("c.yml", text) is not None


def test_merges_that_double_at_every_level_are_read_in_no_time():
    lines = ["x0: &x0 {port: 1}"]
    lines += [f"x{n}: &x{n} {{<<: [{', '.join([f'*x{n - 1}'] * 9)}]}}" for n in range(1, 30)]
    assert parse_config("c.yml", "\n".join(lines)).blocks["x29"][0].text == "1"


def test_a_key_written_twice_is_a_mistake_with_both_lines(mistakes):
    (mistake,) = mistakes("default:\n  port: 1\n  mysql: {port: 3306}\n  port: 2\n")
    assert mistake.startswith("config/config.yml:4: port is written a second time, after line 2")


def test_a_block_written_twice_is_a_mistake(mistakes):
    (mistake,) = mistakes("default: {port: 1}\ndefault: {port: 2}\n")
    assert mistake.startswith("config/config.yml:2: default is written a second time, after line 1")


@pytest.mark.parametrize(
    ("text", "proposal"),
    [
        ("default: {mysql: {hots: x}}", "mysql.hots is not a setting; did you mean mysql.host?"),
        ("default: {aws: {sslenabled: x}}", "did you mean aws.sslEnabled?"),
        ("default: {exports: {days: 1}}", "exports is not a setting; did you mean export?"),
        ("default: {warningLimit: 1}", "did you mean warninglimit?"),
        ("default: {bucket: x}", "did you mean export.bucket?"),
        ("default: {mysql.port: 1}", "write `port` indented, under `mysql:`"),
        ("default: {zzzzzz: 1}", "zzzzzz is not a setting."),
        ("production: {mysql: {hots: x}}\ndefault:", "mysql.hots is not a setting; did you mean mysql.host?"),
    ],
)
def test_a_key_that_nobody_knows_is_a_mistake_that_proposes_the_nearest(mistakes, text, proposal):
    (mistake,) = mistakes(text)
    assert mistake.startswith("config/config.yml:1: ")
    assert proposal in mistake


def test_all_mistakes_are_told_at_once_each_with_its_line(mistakes):
    found = mistakes(
        """\
        default:
          timezone: America/SaoPaulo
          mysql:
            hots: a
            port: 99999
          export:
            days: 0
            active: true
            enabled: false
        production:
          warninglimit: never
        """,
        EXPORT_PURGE="perhaps",
        MIRROR="a b",
    )
    file, block = "config/config.yml", "(block default)"
    assert sorted(sentence.split(": ")[0] for sentence in found) == [
        f"{file}:11 (block production)",
        f"{file}:2 {block}",
        f"{file}:4",
        f"{file}:5 {block}",
        f"{file}:7 {block}",
        f"export.active in {file}:8 {block} and export.enabled in {file}:9 {block} contradict each other",
        "variable EXPORT_PURGE",
        "variable MIRROR",
    ]


def test_settings_at_the_top_level_are_a_mistake_that_says_so(mistakes):
    for text in ("mysql: {host: x}\n", "port: 1\n", "default: {port: 1}\nexport: {purge: false}\n"):
        (mistake,) = mistakes(text)
        assert "stands at the top level, where it has no effect" in mistake
        assert "`default:`" in mistake


def test_a_file_with_no_block_in_force_is_a_mistake(mistakes):
    (mistake,) = mistakes("production: {port: 1}\nstaging: {port: 2}\n")
    assert "'development'" in mistake
    assert "only production and staging" in mistake


def test_a_misspelt_default_block_gets_a_notice(loaded):
    notices = loaded("defualt: {port: 1}\nproduction: {port: 2}\n", NODE_ENV="production").notices
    assert any("did you mean it where defualt stands?" in said for said in notices)


def test_an_environment_without_a_block_gets_a_notice_where_others_have_one(loaded):
    text = "default: {port: 1}\nproduction: {port: 2}\n"
    assert any("'prodction'" in said for said in loaded(text, NODE_ENV="prodction").notices)
    assert not any("NODE_ENV" in said for said in loaded(text).notices)
    assert not any("NODE_ENV" in said for said in loaded("default: {port: 1}", NODE_ENV="x").notices)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("default:\n\tport: 1\n", 2),
        ("default:\n  port: 1\n mysql: x\n", 3),
        ("default:\n  mysql:\n    user: 'x\n    port: 1\n", 3),
        ("default:\n  mysql:\n    user:x\n    port: 1\n", 4),
        ("default:\n  port: 1\n---\ndefault:\n", 3),
        ("default:\n  port: *nothing\n", 2),
        ("default:\n  port: @1\n", 2),
        ("default:\n  port: \x00\n", 2),
        ("[" * 10_000, None),
    ],
)
def test_a_file_that_is_no_yaml_is_one_mistake_with_its_line(mistakes, text, line):
    (mistake,) = mistakes(text)
    assert mistake.startswith(f"config/config.yml:{line}: " if line else "config/config.yml")


@pytest.mark.parametrize("text", ["- default\n", "default\n", "[default]\n", "default: [1]\n", "default: x\n"])
def test_a_file_of_another_shape_is_a_mistake(mistakes, text):
    (mistake,) = mistakes(text)
    assert mistake.startswith("config/config.yml:1: ")


@pytest.mark.parametrize(
    "value", ["[1]", "{a: 1}", "!!python/object/apply:os.system ['true']", "!mine 1", "!!binary aGk="]
)
def test_lists_groups_and_tags_are_no_values(mistakes, value):
    (mistake,) = mistakes(f"default:\n  port: {value}\n")
    assert mistake.startswith("config/config.yml:2: port ")
    assert "a whole number from 1 to 65535" in mistake


@pytest.mark.parametrize("key", ["? [a]\n  : 1", "!x port: 1", "? {a: b}\n  : 1"])
def test_a_key_that_is_no_word_is_a_mistake(mistakes, key):
    (mistake,) = mistakes(f"default:\n  {key}\n")
    assert "a key should be a plain word" in mistake


def test_a_merge_of_something_that_is_no_group_is_a_mistake(mistakes):
    (mistake,) = mistakes("default:\n  <<: 1\n")
    assert mistake == "config/config.yml:2: `<<` should name a group of settings."


def test_config_file_names_the_file_from_the_directory_on(tmp_path):
    (tmp_path / "other.yml").write_text("default: {port: 1}\n")
    found = load(DATABASE | {"CONFIG_FILE": "other.yml"}, tmp_path)
    assert found.settings.port == 1
    assert found.origins["port"] == "other.yml:1 (block default)"


def test_a_config_file_that_is_named_but_missing_is_a_mistake(tmp_path):
    with pytest.raises(ConfigurationError, match=r"variable CONFIG_FILE: there is no file missing\.yml"):
        load(DATABASE | {"CONFIG_FILE": "missing.yml"}, tmp_path)


def test_a_default_file_that_is_missing_is_none(tmp_path):
    (tmp_path / "config").write_text("a file where a folder is expected")
    assert load({}, tmp_path).embedded


def test_a_file_that_cannot_be_read_is_a_mistake(tmp_path):
    (tmp_path / "config" / "config.yml").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match=r"config/config\.yml: the file can't be read: Is a directory"):
        load(DATABASE, tmp_path)


@pytest.mark.parametrize(("content", "reason"), [(b"a: b\n\xff", "line 2 is not UTF-8"), (b"#" * (1 << 21), "1 MiB")])
def test_a_file_that_is_no_text_or_far_too_large_is_a_mistake(tmp_path, content, reason):
    (tmp_path / "c.yml").write_bytes(content)
    with pytest.raises(ConfigurationError, match=reason):
        load(DATABASE | {"CONFIG_FILE": "c.yml"}, tmp_path)


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path):
    (tmp_path / "c.yml").write_bytes(b"\xef\xbb\xbfdefault:\r\n  port: 1\r\n  mysql:\r\n    user: x\r\n")
    found = load(DATABASE | {"CONFIG_FILE": "c.yml"}, tmp_path)
    assert found.settings.port == 1
    assert found.origins["port"] == "c.yml:2 (block default)"


_WORDS = st.sampled_from(
    ["default", "mysql", "host", "port", "export", "active", "enabled", "<<", "~", "x", "1", "'*/1 * * * *'", "*a"]
)
_TREES = st.recursive(
    _WORDS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: f"[{', '.join(parts)}]")
        | st.lists(st.tuples(_WORDS, inner), max_size=4).map(
            lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
        )
        | inner.map(lambda part: f"&a {part}" if part[0] not in "&*" else part)
    ),
    max_leaves=12,
)


@given(_TREES | st.text(alphabet="defaultmysq:portx{}[],&*!|>'\"\n \t#-?%@", max_size=60))
def test_whatever_the_file_holds_the_answer_is_blocks_or_sentences(text):
    found = parse_config("c.yml", text)
    assert all(sentence.startswith("c.yml") for sentence in found.mistakes)
    assert all(sentence.isprintable() for sentence in found.mistakes)
