"""Asking the archive and the live table at once: with DuckDB here, with Apache Spark where one machine is not enough.

Nothing in here writes to the database or the archive. `facts` is the whole of what Python needs::

    from servicemanager.lake import facts
    from servicemanager.service import Service

    with facts(Service.configure()) as lake:
        table = lake.query("SELECT device, max(data) FROM facts GROUP BY device").table()
"""

from servicemanager.lake.session import Answer, Lake, facts

__all__ = ["Answer", "Lake", "facts"]
