"""Every error that ServiceManager raises on purpose, and the exit status of each.

::

    ServiceManagerError            1  the work failed or found something wrong
    ├── ConfigurationError         2  a setting or a wish is wrong: all mistakes at once
    ├── NotFound                   2  what was asked for by name or number does not exist
    ├── QueryRefused               2  the SQL is wrong, or asks for more than reading
    ├── LeaseHeld                  3  another run holds this job's lease
    ├── Unreachable                4  the database, the bucket or the cluster does not answer
    │   ├── DatabaseUnreachable
    │   ├── BucketUnreachable
    │   └── SparkUnreachable
    ├── DatabaseBusy               1  another transaction holds the locks that this one needs
    ├── DatabaseRefused            1  the server answers, but lacks a table, a column or a right
    │   ├── RightMissing
    │   └── Incomparable
    ├── LeaseLost                  1  this run was deposed: another one holds the lease now
    ├── ObjectExists               1  an immutable object of that name is already there
    ├── ObjectMissing              1  an object that should be there is gone
    ├── ObjectCold                 1  the object lies in a storage class that needs a restore first
    ├── ArchiveRefused             1  the archive belongs to another database, or can't be trusted
    ├── ArchiveDamaged             1  an object does not hold what the journal says
    ├── StagingFailed              1  the staging directory is full, read-only or damaged
    ├── NotDelivered               1  a channel did not take a message
    │   └── ChannelRefused         1  and will not take it before a person puts something right
    └── Stopped                    1  a person or the system asked this run to stop

Adapters translate their driver's errors into these at the boundary and keep the cause.
The message is a whole sentence for a person: it names the thing and the remedy.
"""

from __future__ import annotations

from typing import ClassVar


class ServiceManagerError(Exception):
    """The work failed."""

    exit_status: ClassVar[int] = 1
    #: Whether trying again later, with nothing changed, can help.
    retryable: ClassVar[bool] = False


class ConfigurationError(ServiceManagerError):
    """Settings are wrong; ``mistakes`` holds one sentence for each, never only the first."""

    exit_status = 2

    def __init__(self, *mistakes: str) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class NotFound(ServiceManagerError):
    """What was asked for by its name or number does not exist."""

    exit_status = 2


class QueryRefused(ServiceManagerError):
    """The SQL is wrong, or asks for more than reading the facts."""

    exit_status = 2


class LeaseHeld(ServiceManagerError):
    """Another run holds this job's lease."""

    exit_status = 3
    retryable = True


class Unreachable(ServiceManagerError):
    """A server that the work needs does not answer or does not let us in."""

    exit_status = 4
    retryable = True


class DatabaseUnreachable(Unreachable):
    """The database can't be reached, or the connection to it was lost."""


class BucketUnreachable(Unreachable):
    """The bucket or the archive folder can't be reached or refuses us."""


class SparkUnreachable(Unreachable):
    """The Spark master does not answer, or no worker takes our work."""


class DatabaseBusy(ServiceManagerError):
    """Another transaction holds the locks that this one needs; nothing was changed."""

    retryable = True


class DatabaseRefused(ServiceManagerError):
    """The server answers, but a table, a column or a right is missing."""


class RightMissing(DatabaseRefused):
    """The account lacks a right; the message names the GRANT."""


class Incomparable(DatabaseRefused):
    """A text holds characters that the server's tables can't hold, so that nothing there is like it."""


class LeaseLost(ServiceManagerError):
    """This run was deposed: another one holds the lease now, and nothing of this one can commit."""

    retryable = True


class ObjectExists(ServiceManagerError):
    """An immutable object of that name is already there."""


class ObjectMissing(ServiceManagerError):
    """An object that should be there is gone."""


class ObjectCold(ServiceManagerError):
    """The object lies in an archival storage class and can't be read before it is restored."""


class ArchiveRefused(ServiceManagerError):
    """The archive belongs to another database, or its store can't keep what we need it to keep."""


class ArchiveDamaged(ServiceManagerError):
    """An object is gone, or does not hold what the journal says."""


class StagingFailed(ServiceManagerError):
    """The staging directory is full, read-only, or gave back other bytes than were written."""


class NotDelivered(ServiceManagerError):
    """A channel did not take a message; it stays in the outbox."""

    retryable = True


class ChannelRefused(NotDelivered):
    """A channel refuses messages, and goes on doing so before a person puts something right."""

    retryable = False


class Stopped(ServiceManagerError):
    """A person or the system asked this run to stop; what was begun is rolled back or finished."""

    retryable = True
