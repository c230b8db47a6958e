"""What a form says about a silence, as the wish that the desk understands; pure."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field, ValidationError

from servicemanager.alerts.silence import Target
from servicemanager.errors import ConfigurationError
from servicemanager.web.documents.incidents import AddSilence

MORNING = time(8, 0)
_SPANS = {"1h": 3_600, "4h": 4 * 3_600}


class Form(BaseModel):
    """The fields as they were sent: texts, which may be anything."""

    target: Target = Target.GROUP
    name: str = Field(default="", max_length=1024)
    reason: str = Field(default="", max_length=1024)
    #: '1h', '4h', 'morning', 'until' or 'cron'.
    lasts: str = Field(default="1h", max_length=16)
    #: A wall time of the service's zone, as a browser's date field writes it.
    until: str = Field(default="", max_length=64)
    cron: str = Field(default="", max_length=190)
    #: Minutes that each recurrence lasts.
    minutes: str = Field(default="", max_length=16)


def tomorrow_morning(now: datetime, zone: ZoneInfo) -> datetime:
    """The next day's 08:00 by the wall's clock."""
    day = now.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(day, MORNING, zone).astimezone(UTC)


def wish_of(form: Form, now: datetime, zone: ZoneInfo) -> AddSilence:
    """Raises ConfigurationError with a sentence for each mistake."""
    reason = " ".join(form.reason.split())
    if not reason:
        raise ConfigurationError("Say why it is silenced: others will want to know.")
    if not form.name.strip():
        raise ConfigurationError("Say what is silenced: the name of a device, a group, a type or a subject.")
    about = {"target": form.target, "name": form.name, "reason": reason}
    try:
        return AddSilence.model_validate(about | _span(form, now, zone))
    except ValidationError as error:
        raise ConfigurationError(*(_sentence(one["loc"], one["msg"]) for one in error.errors())) from error


def _span(form: Form, now: datetime, zone: ZoneInfo) -> dict[str, object]:
    match form.lasts:
        case "morning":
            return {"ends_at": tomorrow_morning(now, zone)}
        case "until":
            return {"ends_at": _wall_time(form.until, zone)}
        case "cron":
            return {"cron": form.cron.strip(), "seconds": _minutes(form.minutes) * 60}
        case known if known in _SPANS:
            return {"seconds": _SPANS[known]}
    raise ConfigurationError("Say how long the silence lasts.")


def _wall_time(text: str, zone: ZoneInfo) -> datetime:
    try:
        local = datetime.fromisoformat(text.strip())
        return (local if local.tzinfo else local.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ConfigurationError("Say until when the silence lasts, as a date with a time.") from None


def _minutes(text: str) -> int:
    if not (text.strip().isascii() and text.strip().isdigit()):
        raise ConfigurationError("Say in whole minutes how long each recurrence lasts.")
    return int(text)


def _sentence(place: tuple[int | str, ...], message: str) -> str:
    field = str(place[0]) if place else "The form"
    return f"{field.replace('_', ' ').capitalize()}: {message[0].lower()}{message[1:]}."
