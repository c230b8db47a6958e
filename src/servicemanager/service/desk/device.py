"""One device as a document: its contact, its troubles, what waits for it, and what its sensors read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from servicemanager.alerts.records import fetch_of_member
from servicemanager.alerts.silence import Silence as StoredSilence
from servicemanager.alerts.silence import Target
from servicemanager.alerts.silences import load_silences
from servicemanager.config import Settings
from servicemanager.health.explain import explain
from servicemanager.health.findings import device_key, foreign_key, group_subject
from servicemanager.iotdb.devices import Device as Found
from servicemanager.iotdb.waiting import Waiting, WaitingMessage
from servicemanager.service.desk.devices import Fleet, device_values
from servicemanager.service.desk.incidents import incident_document
from servicemanager.service.desk.silences import not_over, silence_document
from servicemanager.web.documents.devices import DeviceDetail, Message, Published, Sensor, SensorDay

if TYPE_CHECKING:
    from servicemanager.iotdb.device_statistics import Line
    from servicemanager.iotdb.moments import Moments

_INCIDENTS, _MESSAGES = 20, 50


@dataclass(frozen=True)
class Readings:
    """What is known of a device's sensors: their moments by day, and the rows that the gateway filters with."""

    days: Mapping[date, Mapping[int, Moments]]
    published: Mapping[int, tuple[Line, datetime | None]]
    sigmas: float


def fetch_device(
    fleet: Fleet, name: str, waiting: Waiting | None, settings: Settings, readings: Readings
) -> DeviceDetail | None:
    """None where nobody of that name is registered or has announced itself."""
    connection, devices, now = fleet.connection, fleet.devices.devices, fleet.now
    device = devices.find(connection, name, now)
    if device is None:
        return None
    assessed = fleet.assess(device)
    keys = [device_key(name), foreign_key(name)]
    messages, count = waiting.fetch(connection, name, _MESSAGES, now) if waiting else ([], 0)
    silences = (each for each in not_over(load_silences(connection), now) if _covers(each, device))
    return DeviceDetail.model_validate(
        {
            **device_values(assessed),
            "memo": devices.fetch_memo(connection, name),
            "explanation": explain(assessed, fleet.horizon, now),
            "incidents": tuple(map(incident_document, fetch_of_member(connection, keys, _INCIDENTS))),
            "silences": tuple(silence_document(each, now, settings.zone) for each in silences),
            "messages": tuple(map(_message, messages)),
            "messages_waiting": count,
            "sensors": tuple(_sensors(readings)),
        }
    )


def _covers(silence: StoredSilence, device: Found) -> bool:
    subject = group_subject(device.group) if device.group is not None else None
    its = {Target.DEVICE: device.name, Target.GROUP: device.group, Target.TYPE: device.type, Target.SUBJECT: subject}
    return its[silence.target] == silence.name


def _message(message: WaitingMessage) -> Message:
    return Message(
        number=message.number,
        sender=message.sender,
        delivery_type=message.delivery_type,
        message=message.message,
        created_at=message.created_at,
        read_at=message.read_at,
    )


def _sensors(readings: Readings) -> Iterable[Sensor]:
    known = {sensor for day in readings.days.values() for sensor in day}
    for sensor in sorted(known | readings.published.keys()):
        line, at = readings.published.get(sensor, (None, None))
        days = ((day, its[sensor]) for day, its in sorted(readings.days.items()) if sensor in its)
        yield Sensor(
            sensor=sensor,
            published=_published(line, at) if line else None,
            limit=readings.sigmas * line.deviation if line else None,
            days=tuple(_day(day, moments) for day, moments in days),
        )


def _published(line: Line, at: datetime | None) -> Published:
    return Published(average=line.average, deviation=line.deviation, error=line.error, published_at=at)


def _day(day: date, moments: Moments) -> SensorDay:
    return SensorDay(
        day=day,
        readings=moments.n,
        mean=moments.mean,
        deviation=moments.deviation,
        least=moments.min_x,
        greatest=moments.max_x,
    )
