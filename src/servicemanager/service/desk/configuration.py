"""The settings in force as a document; secrets are masked before anything else sees them; pure."""

from __future__ import annotations

from servicemanager import __version__
from servicemanager.config import SETTINGS, Loaded, plain_value, render, value_of
from servicemanager.config import Setting as Described
from servicemanager.web.documents.configuration import Configuration, Setting


def configuration_document(loaded: Loaded) -> Configuration:
    return Configuration(
        settings=tuple(_setting(loaded, setting) for setting in SETTINGS),
        embedded=loaded.embedded,
        notices=loaded.notices,
        version=__version__,
    )


def _setting(loaded: Loaded, setting: Described) -> Setting:
    value = value_of(loaded.settings, setting)
    return Setting.model_validate(
        {
            "key": setting.key,
            "value": plain_value(value),
            "shown": render(value),
            "origin": loaded.origins[setting.key],
            "meaning": setting.about.meaning,
            "variables": (*setting.variables, *setting.file_variables),
        }
    )
