"""What a group of settings is, and what each of its fields says of itself."""

from __future__ import annotations

import os
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

# It would look for plugins of its own among all that is installed, which takes longer than to read the settings.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


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

    # Built when it is needed: a section is a part of the whole, and not needed by itself.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)
