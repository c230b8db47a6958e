"""Every setting, and the single table of them: default, meaning, bounds, secret or not.

A field's key in the file is its section and its name in camel case (`mysql.connectionLimit`), its
variable that key in capitals with underscores (`MYSQL_CONNECTIONLIMIT`); `About` adds what the seed
names differently. Loading, `servicemanager config` and docs/reference/settings.md derive from here;
a setting is added by adding a field. All values are immutable.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr

from servicemanager.config.hours import Hours, HoursOfDay, parse_hours
from servicemanager.config.places import (
    Bucket,
    Database,
    Endpoint,
    Prefix,
    Region,
    Topic,
    check_prefix,
    folder_of,
)
from servicemanager.config.running import Cluster, Log, Scheduler, Selfcare
from servicemanager.config.section import About, Section
from servicemanager.config.values import (
    Address,
    Guard,
    GuardWord,
    HeartbeatUrl,
    Hosts,
    LimitsByName,
    Listen,
    News,
    NotifyMode,
    Port,
    Span,
    SslMode,
    TlsMode,
    Urls,
    Wait,
    Zone,
    split_address,
    split_limit,
)
from servicemanager.config.web import Web


class Aws(Section):
    """Amazon, or a server that speaks its language."""

    region: Annotated[Region, About("Region where neither the topic's ARN nor the bucket tells one.")] = "sa-east-1"
    access_key_id: Annotated[
        SecretStr | None, About("Access key; without it AWS's usual credential chain applies.")
    ] = None
    secret_access_key: Annotated[SecretStr | None, About("Secret that belongs to the access key.")] = None
    topic_arn: Annotated[Topic | None, About("SNS topic for notifications; without it they go to the console.")] = None
    ssl_enabled: Annotated[bool, About("Whether S3 and SNS are spoken to over TLS.")] = True
    endpoint: Annotated[
        Endpoint | None, About("URL of a server that speaks the S3 and SNS protocols, in place of Amazon's.")
    ] = None

    @property
    def topic_region(self) -> str:
        """The region that the topic's ARN names; `region` without a topic."""
        return self.topic_arn.split(":")[3] if self.topic_arn else self.region


class Mysql(Section):
    """The platform's database."""

    host: Annotated[
        Hosts, About("Servers, tried in this order until one accepts writes; each may name its own port.")
    ] = ()
    port: Annotated[Port, About("TCP port of every host that names none.")] = 3306
    user: Annotated[str | None, About("Account to log in with.")] = None
    password: Annotated[SecretStr | None, About("The account's password.")] = None
    database: Annotated[Database, About("Schema that holds the platform's tables.")] = "IOTDB"
    connection_limit: Annotated[
        int, Field(ge=4, le=1000), About("Most connections that one process opens, all uses together.")
    ] = 10
    datetime_zone: Annotated[
        Zone | None,
        About("Zone in which DATETIME columns of older installations are written; TIMESTAMP needs none."),
    ] = None
    ssl_mode: Annotated[
        TlsMode, About("TLS to the database; the verifying modes check the certificate, or the name too.")
    ] = SslMode.DISABLED
    ssl_ca: Annotated[Path | None, About("File with the authorities to trust, in place of the system's.")] = None

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Host and port of every server, in the order in which they are tried."""
        pairs = (split_address(host) for host in self.host)
        return tuple((host, port or self.port) for host, port in pairs)


class Export(Section):
    """What leaves the database for the archive, and where the archive is."""

    active: Annotated[
        bool,
        About("Whether old readings are archived, and so purged, at all.", also_key="export.enabled"),
    ] = True
    bucket: Annotated[
        Bucket | None,
        About("Bucket or folder that holds the archive; without it nothing is exported or deleted."),
    ] = None
    local_directory: Annotated[Path, About("Folder for files that are being built.")] = Path("/tmp/")  # noqa: S108 - the seed's default
    remote_directory: Annotated[Prefix, About("Path of the archive inside the bucket.")] = ""
    purge: Annotated[
        bool, About("Whether readings are deleted from the database once the archive is proven to hold them.")
    ] = True
    days: Annotated[
        int,
        Field(ge=1, le=36500),
        About("Days to keep in the database, today included; what arrived earlier is exported."),
    ] = 1
    csv: Annotated[bool, About("Whether the Node version's CSV files are written too, beside facts/.")] = False
    max_rows_per_second: Annotated[
        int | None,
        Field(ge=1, le=10_000_000),
        About("Most readings that are read from the database, and most that are deleted, in a second."),
    ] = None
    window: Annotated[
        HoursOfDay | None,
        About("Hours of the day in which an export may work; at their end it stops, and goes on the next day."),
    ] = None

    @property
    def hours(self) -> Hours | None:
        return parse_hours(self.window) if self.window else None

    @property
    def folder(self) -> Path | None:
        """The folder that is the archive's bucket; None for S3 and without a bucket."""
        return folder_of(self.bucket) if self.bucket else None

    @property
    def bucket_name(self) -> str | None:
        """The name of the S3 bucket; None for a folder and without a bucket."""
        if self.bucket is None or self.folder is not None:
            return None
        return urlsplit(self.bucket).netloc if "://" in self.bucket else self.bucket

    @property
    def prefix(self) -> str:
        """What stands before `facts/` in a key: empty, or a path with one slash at its end only."""
        inside = check_prefix(urlsplit(self.bucket).path) if self.bucket and self.bucket.startswith("s3://") else ""
        return inside + self.remote_directory


class Health(Section):
    """When a device is in trouble, and what is news."""

    notify: Annotated[News, About("What is sent: news only, or the Node version's whole list at every check.")] = (
        NotifyMode.NEWS
    )
    group_limits: Annotated[
        LimitsByName, About("Minutes of silence for devices of a group, in place of `warninglimit`.")
    ] = ()
    type_limits: Annotated[
        LimitsByName, About("Minutes of silence for devices of a type; a limit of their group goes before it.")
    ] = ()
    repeat: Annotated[Wait, About("After how long a trouble that lasts is told again.")] = timedelta(hours=24)
    back_after: Annotated[Span, About("How long a silent device must announce itself before it counts as back.")] = (
        timedelta(minutes=5)
    )
    flapping: Annotated[
        int, Field(ge=1, le=1000), About("A device that falls silent more often than this within 24 hours is flapping.")
    ] = 3
    grace: Annotated[
        Span, About("Time that devices get to return after an outage of everything, before one is reported.")
    ] = timedelta(minutes=10)
    foreign: Annotated[bool, About("Whether a device that is not registered is reported.")] = False
    history_kept: Annotated[Wait, About("How long the head-counts of devices by status are kept.")] = timedelta(hours=4)

    @property
    def limits_by_group(self) -> dict[str, timedelta]:
        return dict(map(split_limit, self.group_limits))

    @property
    def limits_by_type(self) -> dict[str, timedelta]:
        return dict(map(split_limit, self.type_limits))


class Notify(Section):
    """Ways to people besides the topic `aws.topicArn`."""

    urls: Annotated[
        Urls | None, About("Where to send notifications, in Apprise's notation: mail, Slack, Telegram, webhooks, ….")
    ] = None
    heartbeat_url: Annotated[
        HeartbeatUrl | None, About("Asked for after each successful check, so that a watchdog notices when none comes.")
    ] = None

    @property
    def url_list(self) -> tuple[str, ...]:
        return tuple(self.urls.get_secret_value().split()) if self.urls else ()


class Statistics(Section):
    """What the gateway's filter of noise is told about each sensor."""

    days: Annotated[
        int, Field(ge=0, le=36500), About("Days of readings that count, today included; 0 is all there ever were.")
    ] = 30
    sigmas: Annotated[
        float,
        Field(ge=0.1, le=1000),
        About("How many deviations the gateway lets a reading have: its own setting, told here."),
    ] = 6.0
    guard: Annotated[
        GuardWord,
        About("What becomes of a row by which the gateway would throw away most of what the sensor sends."),
    ] = Guard.WITHHOLD


class Messages(Section):
    """How long messages to devices are kept."""

    days: Annotated[
        int, Field(ge=1, le=36500), About("Days after which a message that its device has read is deleted.")
    ] = 7
    unread_days: Annotated[
        int | None,
        Field(ge=1, le=36500),
        About("Days after which one that was never read is deleted; without it none is."),
    ] = None
    persistent: Annotated[
        bool, About("Whether read messages that are delivered at every poll go too: that changes what devices do.")
    ] = False


class Settings(Section):
    """General."""

    warninglimit: Annotated[
        int, Field(ge=1, le=525_600), About("Minutes of silence after which a device is reported.")
    ] = 60
    timezone: Annotated[Zone, About("Zone of cron patterns, days and reports.", also_variable="TZ")] = (
        "America/Sao_Paulo"
    )
    mirror: Annotated[
        Address | None,
        About("The other instance, whose role is asked for and shown; its port is this one's unless named."),
    ] = None
    port: Annotated[Port, About("TCP port of the dashboard and of the role page.")] = 8000
    address: Annotated[Listen, About("Address to listen on.")] = "0.0.0.0"  # noqa: S104 - the mirror has to reach it
    scheduler: Scheduler = Scheduler()
    aws: Aws = Aws()
    mysql: Mysql = Mysql()
    export: Export = Export()
    health: Health = Health()
    notify: Notify = Notify()
    statistics: Statistics = Statistics()
    messages: Messages = Messages()
    cluster: Cluster = Cluster()
    selfcare: Selfcare = Selfcare()
    web: Web = Web()
    log: Log = Log()

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def wall_zone(self) -> str:
        """The zone of wall times in the platform's tables."""
        return self.mysql.datetime_zone or self.timezone

    @property
    def mirror_address(self) -> tuple[str, int] | None:
        """Host and port of the other instance."""
        if self.mirror is None:
            return None
        host, port = split_address(self.mirror)
        return host, port or self.port
