"""What a group of settings is, and what each of its fields says of itself."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict


@dataclass(frozen=True, slots=True)
class About:
    """What a setting means, and the names it has besides the ones that follow from its field."""

    meaning: str
    also_key: str = ""
    also_variable: str = ""
    #: Meant to run once a day: a pattern that fires every minute of an hour gets a notice.
    daily: bool = False


class Section(BaseModel):
    """A group of settings; its docstring is its heading in the reference."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
