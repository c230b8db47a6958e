"""`servicemanager run`: leads or waits, schedules, and answers, until it is told to stop.

The main thread turns a few times a second: it sees changes of role, ended children and jobs that are due. The keeper
of the lease, the web server and the monitor have a thread each; none of them waits for another.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta

import structlog

from servicemanager.cluster.keeper import Keeper
from servicemanager.cluster.mirror import Answer, Mirror, patience
from servicemanager.cluster.role import Role
from servicemanager.config import Settings
from servicemanager.errors import ConfigurationError, DatabaseUnreachable, ServiceManagerError
from servicemanager.iotdb.engine import Database
from servicemanager.jobs.runner import instance_name
from servicemanager.scheduler.child import Child
from servicemanager.scheduler.cron import Schedule
from servicemanager.scheduler.loop import Scheduler
from servicemanager.service.desk.desk import ServiceDesk
from servicemanager.service.desk.run_now import Wishes
from servicemanager.service.handed_down import Configuration
from servicemanager.service.loss import Loss
from servicemanager.service.monitor import Monitor
from servicemanager.service.plan import command_of, limit_of, planned_jobs, timing_of, works_by
from servicemanager.service.status import Instances
from servicemanager.service.systemd import Notifier
from servicemanager.web.app import Face, make_app
from servicemanager.web.gate.authenticator import Authenticator
from servicemanager.web.gate.gate import Gate
from servicemanager.web.gate.tls import open_certificate
from servicemanager.web.pages.errors import refusal_page
from servicemanager.web.pages.render import Frame
from servicemanager.web.server import listen, serving

_TURN = 0.25
#: Seconds that children get at an orderly stop: the whole instance has ten.
_LAST_PATIENCE = 6.0
#: The longest that one of the daemon's own small statements may take.
_ANSWER = 3.0
#: Seconds between two looks at the lease that others may ask for.
_NUDGES_APART = 0.5
#: What the threads hold on to, so that a change takes a new start.
_FIXED = ("mysql.", "cluster.", "log.", "web.", "port", "address", "mirror")

_log = structlog.get_logger()


class Daemon:
    """One instance. `read` reads the configuration anew."""

    def __init__(
        self, configuration: Configuration, read: Callable[[], Configuration], stop: threading.Event, *, take_over: bool
    ) -> None:
        settings = configuration.service.settings
        mirror = Mirror(*settings.mirror_address, patience(settings.cluster.lease)) if settings.mirror_address else None
        self.configuration = configuration
        self.keeper = Keeper(
            self._connect,
            instance_name(),
            timing_of(settings),
            works_by(settings),
            mirror,
            take_over,
        )
        #: Set where a new configuration takes a new start of the whole process.
        self.starts_anew = False
        self._read, self._stop = read, stop
        self._role = Role.SLAVE
        self._was_master = False
        self._broken = False
        self._nudged_at = -_NUDGES_APART
        self._scheduler = Scheduler(settings.scheduler.catch_up, planned_jobs(configuration))
        self._monitor = Monitor(mirror, lambda: self.keeper.role, self.keeper.time.now)
        self._loss = Loss(self.keeper, self._tells_loss, self._start_messenger)
        self._notifier = Notifier()
        self._wishes = Wishes()
        self.desk = ServiceDesk(lambda: self.configuration, self._answers, self._wishes.start)

    def run(self, hangup: threading.Event) -> None:
        """Until the stop event is set. Raises ServiceManagerError where the port is taken or the certificate wrong."""
        settings = self.configuration.service.settings
        certificate = open_certificate(settings.web)
        listener = listen(settings.address, settings.port)
        face = Face(lambda: self.keeper.role.value, self._trouble, self._nudged)
        threads = [
            threading.Thread(target=self._keep, name="keeper", daemon=True),
            threading.Thread(target=self._monitor.run, args=(self._monitored, self._stop), name="monitor", daemon=True),
        ]
        self._app = make_app(face, self.desk, self._frame())
        gate = Gate(self._app, settings.web, Authenticator(settings.web, self._open_database), refusal_page)
        with closing(self.desk), serving(gate, listener, certificate):
            for thread in threads:
                thread.start()
            self._notifier.say("READY=1")
            _log.info("ready", address=settings.address, port=settings.port)
            while not self._stop.wait(_TURN):
                if hangup.is_set():
                    hangup.clear()
                    self._reload()
                self._turn()
            self._end(threads[0])
        if self._broken:
            raise ServiceManagerError(
                "The thread that keeps the lease failed, as the log says: this instance ends, to be started anew."
            )

    def _keep(self) -> None:
        try:
            self.keeper.run(self._stop)
        except BaseException:
            self._broken = True
            raise
        finally:
            # Without a keeper this is no instance any more: whoever started us starts another.
            self._stop.set()

    def _turn(self) -> None:
        self._notifier.alive()
        self._see_role()
        self._scheduler.watch()
        self._wishes.fulfil(self._start_now)
        self._loss.turn(self.configuration.service.lost_database())
        database = self.keeper.database
        if self._role is Role.MASTER and database:
            try:
                self._scheduler.start_due(database, self.keeper.time.now())
            except ServiceManagerError as error:
                # The keeper meets the same trouble, and says so.
                _log.warning("the record of runs can't be read", error=str(error))
                self._stop.wait(1.0)

    def _see_role(self) -> None:
        role = self.keeper.role
        if role is self._role:
            return
        self._role = role
        reason = None if role is Role.MASTER else self.keeper.trouble
        _log.info(f"Changing to {role.value}", term=self.keeper.term, reason=reason)
        if role is Role.MASTER:
            self._was_master = True
            self._scheduler.look_anew()
        else:
            # What they do is fenced by leases of their own; but the next master shall not have to wait for them.
            self._scheduler.stop_children()

    def _end(self, keeping: threading.Thread) -> None:
        """Children stop while the keeper hands the lease over; the role page answers until both are done."""
        # After "stopping", systemd would kill the process that goes on in our place.
        self._notifier.say("RELOADING=1" if self.starts_anew else "STOPPING=1")
        self.keeper.look.set()
        _log.info("stopping", running=self._scheduler.running)
        self._scheduler.stop_children()
        until = time.monotonic() + _LAST_PATIENCE
        while self._scheduler.running and time.monotonic() < until:
            time.sleep(0.05)
            self._scheduler.watch()
        self._scheduler.kill_children()
        self._loss.close()
        keeping.join(max(1.0, until + 1 - time.monotonic()))
        self._see_role()

    def _reload(self) -> None:
        try:
            fresh = self._read()
            open_certificate(fresh.service.settings.web)
        except ConfigurationError as error:
            for mistake in error.mistakes:
                _log.error("the new configuration is wrong: the old one stays in force", mistake=mistake)
            return
        changed = self.configuration.differences(fresh)
        _log.info("configuration read again", changed=changed)
        if any(key.startswith(_FIXED) for key in changed):
            fresh.close()
            _log.info("starting anew", reason="Settings have changed that are read at the start only.")
            self.starts_anew = True
            self._stop.set()
            return
        # A child that is just being started holds a copy of its own.
        self.configuration.close()
        self.configuration = fresh
        self._app.state.frame = self._frame()
        self.keeper.works_by = works_by(fresh.service.settings)
        self._scheduler.change(planned_jobs(fresh), fresh.service.settings.scheduler.catch_up)

    def _connect(self) -> Database:
        service = self.configuration.service
        return service.database(timedelta(seconds=min(_ANSWER, service.settings.cluster.lease.total_seconds() / 3)))

    def _nudged(self) -> None:
        """Anybody may ask for a look, but not for as many questions to the database as he likes."""
        now = time.monotonic()
        if now - self._nudged_at >= _NUDGES_APART:
            self._nudged_at = now
            self.keeper.look.set()

    def _open_database(self) -> Database:
        """The keeper's, for others to ask. Raises DatabaseUnreachable."""
        if (database := self.keeper.database) is None:
            raise DatabaseUnreachable(self.keeper.trouble or "The database has not answered yet.")
        return database

    def _monitored(self) -> Schedule:
        settings: Settings = self.configuration.service.settings
        return Schedule(settings.scheduler.monitor, settings.zone)

    def _tells_loss(self) -> bool:
        answer = self._monitor.answer
        return self._was_master or answer is None or answer.role is None

    def _start_messenger(self) -> Child:
        return Child.start("devices", command_of("devices", self.configuration, self._role), limit_of("devices"))

    def _start_now(self, job: str, by: str) -> None:
        command = command_of(job, self.configuration, self._role, asked_by=by)
        self._scheduler.start_now(job, command, limit_of(job), by)

    def _frame(self) -> Frame:
        keeper = self.keeper
        return Frame(
            lambda: keeper.role.value,
            self.configuration.service.settings.zone,
            keeper.time.now,
            lambda: keeper.lost_since,
        )

    def _answers(self) -> Instances:
        """What this instance is, and what the mirror said when it was last asked."""
        role = self.keeper.role
        return Answer(role, is_ours=True, words=role.value), self._monitor.answer

    def _trouble(self) -> str | None:
        """Why this instance is not ready to work, or to take over."""
        return self.keeper.trouble if self.keeper.lost_at is not None else None
