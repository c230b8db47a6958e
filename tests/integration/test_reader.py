"""The reader of rows lets the rest of the program live."""

import threading
import time
from itertools import count

from servicemanager.iotdb.mysql import open_mysql
from servicemanager.iotdb.reader import read_mysql
from support.iotdb import mysql_login
from support.mariadb import Server


def test_other_threads_go_on_while_the_server_is_slow(mysql_server: Server, mysql_database: str):
    """A reader that holds Python's lock would keep the lease from being renewed."""
    database = open_mysql(mysql_login(mysql_server, mysql_database))
    done, ticks = threading.Event(), count()
    thread = threading.Thread(target=lambda: [next(ticks) for _ in iter(lambda: done.wait(0.02), True)])
    thread.start()
    try:
        begin = time.monotonic()
        assert read_mysql(database, "SELECT 1 AS n, SLEEP(1) AS s").num_rows == 1
        assert time.monotonic() - begin > 1
    finally:
        done.set()
        thread.join()
        database.close()
    assert next(ticks) > 10
