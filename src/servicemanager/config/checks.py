"""What holds between settings: mistakes that no single value shows, and notices worth a look.

Pure: no file, no variable, no clock. A mistake stops the program before anything starts; a notice
is said once at the start.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from datetime import time
from urllib.parse import urlsplit

from servicemanager.config.catalogue import BY_KEY, SETTINGS, render, value_of, variable_of
from servicemanager.config.settings import Settings
from servicemanager.config.values import SslMode, parse_cron

MINUTES_OF_AN_HOUR = 60
_HERE = {"localhost", "127.0.0.1", "::1"}
#: Characters from which on guessing a password over the network is hopeless.
_LONG_PASSWORD = 12
#: Settings that go together, and what applies without them.
_PAIRS = {
    ("aws.accessKeyId", "aws.secretAccessKey"): "then AWS's usual credential chain applies",
    ("web.user", "web.password"): "then only the platform's accounts get in (web.accounts), or this machine",
    ("web.certificate", "web.key"): "then there is no TLS",
}

Origins = Mapping[str, str]


def mistakes_between(settings: Settings, origins: Origins) -> Iterator[str]:
    """What can't be together; `origins` holds the keys that somebody wrote."""
    if settings.mirror and settings.export.folder:
        yield (
            f"{origins['export.bucket']}: export.bucket is a folder of this machine, but mirror names another"
            f" instance, which can't see it. Use a bucket, or leave mirror out."
        )
    for keys, otherwise in _PAIRS.items():
        present = [key for key in keys if key in origins]
        if len(present) == 1:
            missing = next(key for key in keys if key not in origins)
            yield f"{origins[present[0]]}: {present[0]} is set without {missing}. Set both, or neither: {otherwise}."
    yield from _late_deadlines(settings)
    yield from _closed_hours(settings)


def _closed_hours(settings: Settings) -> Iterator[str]:
    """An export that only ever begins outside of its hours would do nothing, night after night."""
    hours, pattern = settings.export.hours, parse_cron(settings.scheduler.export)
    times = (time(int(hour), int(minute)) for hour in pattern.hours for minute in pattern.minutes)
    if hours and not any(at in hours for at in times):
        yield (
            f'export.window ({hours}) holds none of the times at which scheduler.export ("{settings.scheduler.export}")'
            " begins an export: change one of them."
        )


def _late_deadlines(settings: Settings) -> Iterator[str]:
    """A master has to step down before its lease can pass to another, and to try more than once before that."""
    cluster = settings.cluster
    if cluster.step_down_after >= cluster.lease:
        yield (
            f"cluster.renewDeadline ({render(cluster.step_down_after)}) has to be shorter than cluster.lease"
            f" ({render(cluster.lease)}): a master steps down before another can take over."
        )
    if cluster.look_every * 2 > cluster.step_down_after:
        yield (
            f"cluster.retry ({render(cluster.look_every)}) has to be at most half of cluster.renewDeadline"
            f" ({render(cluster.step_down_after)}): a renewal is tried more than once before a master steps down."
        )


def missing_database(written: Container[str], configured_by: str) -> Iterator[str]:
    """What a database that isn't the embedded one needs; `configured_by` says why it isn't."""
    for key, what in (("mysql.host", "the database's host"), ("mysql.user", "the account to log in with")):
        if key not in written:
            yield (
                f"{key} is not set. {configured_by}, so the embedded database is not used:"
                f" set {variable_of(key)} to {what}."
            )


def notices_on(settings: Settings, origins: Origins, *, embedded: bool) -> Iterator[str]:
    """What is allowed, but perhaps not meant; the embedded default needs neither bucket nor topic."""
    yield from _busy_patterns(settings, origins)
    for key, (applies, sentence) in _NOTICES.items():
        if applies(settings) and not embedded:
            yield f"{key} {sentence}"


def _busy_patterns(settings: Settings, origins: Origins) -> Iterator[str]:
    for setting in SETTINGS:
        pattern = str(value_of(settings, setting))
        if setting.about.daily and len(parse_cron(pattern).minutes) == MINUTES_OF_AN_HOUR:
            yield (
                f'{origins.get(setting.key, "default")}: {setting.key} "{pattern}" fires'
                f' {_how_often(pattern)}; for once a day write "{_once_a_day(pattern, setting.key)}".'
            )


def _how_often(pattern: str) -> str:
    hour = pattern.split()[1]
    if hour == "*":
        return "every minute"
    return f"every minute of hour{'s' if not hour.isdigit() else ''} {hour}"


def _once_a_day(pattern: str, key: str) -> str:
    _, hour, *rest = pattern.split()
    if not hour.isdigit():
        hour = str(BY_KEY[key].default).split()[1]
    return " ".join(("0", hour, *rest))


def _plain_endpoint(settings: Settings) -> bool:
    url = urlsplit(settings.aws.endpoint or "")
    return url.scheme == "http" and url.hostname not in _HERE


def _short_password(settings: Settings) -> bool:
    password = settings.web.password
    return password is not None and len(password.get_secret_value()) < _LONG_PASSWORD


def _password_in_the_clear(settings: Settings) -> bool:
    web = settings.web
    return web.lets_sign_in and not (web.certificate or web.proxies or settings.address in _HERE)


_NOTICES: dict[str, tuple[Callable[[Settings], bool], str]] = {
    "export.bucket": (
        lambda s: s.export.active and s.export.bucket is None,
        "is not set: nothing is exported, and nothing is deleted.",
    ),
    "aws.topicArn": (
        lambda s: s.aws.topic_arn is None and s.notify.urls is None,
        "is not set: notifications go to the console.",
    ),
    "aws.sslEnabled": (
        lambda s: not s.aws.ssl_enabled,
        "is false: readings and notifications travel to AWS in the clear.",
    ),
    "aws.endpoint": (
        _plain_endpoint,
        "begins with http: readings travel there in the clear.",
    ),
    "mysql.sslCa": (
        lambda s: s.mysql.ssl_ca is not None and s.mysql.ssl_mode is SslMode.DISABLED,
        "has no effect while mysql.sslMode is disabled.",
    ),
    "web.password": (
        _short_password,
        f"has fewer than {_LONG_PASSWORD} characters: whoever guesses it may start jobs that delete readings.",
    ),
    "web.certificate": (
        _password_in_the_clear,
        "is not set: whoever signs in from another machine sends the password in the clear.",
    ),
}
