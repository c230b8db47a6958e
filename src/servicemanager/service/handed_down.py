"""The configuration that the daemon and its children work by: one text, read once.

A file that is being edited must not reach a child before the daemon has found it right. So the daemon keeps what it
read in an open file without a name, and its children read that.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from servicemanager.config import SETTINGS, Loaded, load, value_of
from servicemanager.config.yaml_file import DEFAULT_FILE
from servicemanager.errors import ConfigurationError
from servicemanager.service import Service


@dataclass
class Configuration:
    """`environ` leads a child to the same settings, if it is given the open `descriptors`."""

    loaded: Loaded
    service: Service
    environ: Mapping[str, str]
    descriptors: tuple[int, ...] = ()

    @classmethod
    def read(cls, environ: Mapping[str, str], directory: Path) -> Configuration:
        """Raises ConfigurationError with every mistake, each with its place in the file."""
        loaded = load(environ, directory)
        file = directory / (environ.get("CONFIG_FILE", "").strip() or DEFAULT_FILE)
        if not file.is_file():
            return cls(loaded, Service.configure(environ, directory), environ)
        copy = os.memfd_create("config.yml")
        os.write(copy, file.read_bytes())
        handed = {**environ, "CONFIG_FILE": f"/dev/fd/{copy}"}
        try:
            service = Service.configure(handed, directory)
            if service.settings != loaded.settings:
                raise ConfigurationError(f"{file} changed while it was read: read it again.")  # noqa: TRY301
        except ConfigurationError:
            os.close(copy)
            raise
        return cls(loaded, service, handed, (copy,))

    def close(self) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)

    def differences(self, other: Configuration) -> list[str]:
        """The keys of the settings that `other` has otherwise."""
        mine, theirs = self.service.settings, other.service.settings
        return [setting.key for setting in SETTINGS if value_of(mine, setting) != value_of(theirs, setting)]
