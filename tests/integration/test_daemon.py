"""What becomes of the daemon when a part of it fails."""

from __future__ import annotations

import threading

import pytest

from servicemanager.errors import ServiceManagerError
from servicemanager.service.daemon import Daemon
from servicemanager.service.handed_down import Configuration
from support.mariadb import free_port


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_without_a_keeper_of_the_lease_it_ends_and_says_so(tmp_path, monkeypatch):
    environ = {"PORT": str(free_port()), "ADDRESS": "127.0.0.1", "TZ": "UTC"}
    configuration = Configuration.read(environ, tmp_path)
    daemon = Daemon(configuration, lambda: configuration, threading.Event(), take_over=False)

    def fail(_stop):
        raise ZeroDivisionError

    monkeypatch.setattr(daemon.keeper, "run", fail)
    with pytest.raises(ServiceManagerError, match="keeps the lease failed"):
        daemon.run(threading.Event())
