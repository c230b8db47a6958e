"""The settings in force."""

from __future__ import annotations

from pydantic import Field, JsonValue, field_serializer

from servicemanager.web.documents.document import Document


class Setting(Document):
    """One setting; a secret is masked before anything else sees it."""

    key: str
    value: JsonValue
    shown: str = Field(description="The value as one writes it.")
    origin: str = Field(description="Where it came from: a file with its line, a variable, or the default.")
    meaning: str
    variables: tuple[str, ...]


class Configuration(Document):
    """Every setting, in the order of the reference."""

    settings: tuple[Setting, ...] = Field(description="By key.")
    embedded: bool
    notices: tuple[str, ...]
    version: str

    @field_serializer("settings")
    def _by_key(self, settings: tuple[Setting, ...]) -> dict[str, Setting]:
        return {setting.key: setting for setting in settings}
