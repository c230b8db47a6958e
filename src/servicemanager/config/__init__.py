"""Every setting: its key, variable, default, meaning and bounds, and where its value came from."""

from servicemanager.config.catalogue import SETTINGS, Setting, plain_value, render, value_of
from servicemanager.config.load import Loaded, load
from servicemanager.config.running import Cluster, Log, Scheduler
from servicemanager.config.settings import (
    Aws,
    Export,
    Health,
    Mysql,
    Notify,
    Settings,
)
from servicemanager.config.values import Guard, LogFormat, NotifyMode, SslMode
from servicemanager.config.web import Web

__all__ = [
    "SETTINGS",
    "Aws",
    "Cluster",
    "Export",
    "Guard",
    "Health",
    "Loaded",
    "Log",
    "LogFormat",
    "Mysql",
    "Notify",
    "NotifyMode",
    "Scheduler",
    "Setting",
    "Settings",
    "SslMode",
    "Web",
    "load",
    "plain_value",
    "render",
    "value_of",
]
