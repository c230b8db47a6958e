"""Devices, one device, and its sensors."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from pydantic import Field

from servicemanager.health.assess import Status
from servicemanager.web.documents.document import Document, Page
from servicemanager.web.documents.incidents import Incident, Silence


class Sort(StrEnum):
    """The order of a list of devices."""

    NAME = "name"
    GROUP = "group"
    SEEN = "seen"  # the longest silent first


class Query(Document):
    """Which devices are asked for, and in what order."""

    search: str = Field("", max_length=64, description="What a device's name, or its group's, begins with.")
    group: str | None = Field(None, max_length=64)
    type: str | None = Field(None, max_length=64)
    status: Status | None = None
    sort: Sort = Sort.NAME
    after: str | None = Field(None, max_length=2048)
    limit: int = Field(50, ge=1, le=500)


class Device(Document):
    """How a device is."""

    name: str = Field(serialization_alias="device")
    group: str | None
    type: str | None
    version: str | None
    status: Status
    registered_at: datetime | None
    seen_at: datetime | None
    silent_seconds: float = Field(description="Outages of everything do not count.")
    limit_seconds: float


class Devices(Page[Device]):
    """A part of the list, and how many devices there are."""

    registered: int | None = Field(description="All registered devices, as last counted; null before anybody counted.")


class SensorDay(Document):
    """The readings of one sensor that arrived on one local day."""

    day: date
    readings: int
    mean: float
    deviation: float
    least: int
    greatest: int


class Published(Document):
    """The row of DeviceStatistics that the gateway filters with."""

    average: float
    deviation: float
    error: float
    published_at: datetime | None


class Sensor(Document):
    """A sensor's days, and what the gateway's filter lets through."""

    sensor: int
    published: Published | None = Field(description="Null where no row is published, so that all readings pass.")
    limit: float | None = Field(description="Readings above it are thrown away; null where all pass.")
    days: tuple[SensorDay, ...] = Field(description="The oldest first; days without readings are left out.")


class Message(Document):
    """A message that waits for the device."""

    number: int
    sender: str
    delivery_type: str
    message: str
    created_at: datetime | None
    read_at: datetime | None


class DeviceDetail(Device):
    """Everything about one device."""

    memo: str | None
    explanation: str = Field(description="Why it counts as what it does, in a sentence.")
    incidents: tuple[Incident, ...] = Field(description="Open ones first, then the latest closed; at most 20.")
    silences: tuple[Silence, ...]
    messages: tuple[Message, ...] = Field(description="Those that wait; at most 50, the oldest first.")
    messages_waiting: int
    sensors: tuple[Sensor, ...]
