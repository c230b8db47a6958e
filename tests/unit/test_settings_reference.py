"""The table of settings is whole, and the committed reference is the one it generates."""

from pathlib import Path

import pytest

from servicemanager.config import SETTINGS
from servicemanager.config.reference import settings_reference

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


def test_the_committed_reference_is_the_generated_one():
    assert REFERENCE.read_text() == settings_reference(), (
        "run: python -m servicemanager.config.reference > docs/reference/settings.md"
    )


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_every_setting_says_what_it_means_and_what_is_accepted(setting):
    assert setting.about.meaning.endswith(".")
    assert setting.right
    assert all(f"`{name}`" in settings_reference() for name in (*setting.keys, *setting.variables))


def test_no_key_and_no_variable_means_two_settings():
    keys = [key for setting in SETTINGS for key in setting.keys]
    variables = [name for setting in SETTINGS for name in (*setting.variables, *setting.file_variables)]
    assert len(keys) == len(set(keys))
    assert len(variables) == len(set(variables))


def test_a_variable_is_its_key_in_capitals_with_dots_as_underscores():
    for setting in SETTINGS:
        assert setting.variables[0] == setting.key.upper().replace(".", "_")
