"""The columns of Facts."""

#: Without creationDate, in the table's own order.
COLUMNS = (
    "channel", "year", "month", "day", "week_day", "hour", "minute", "second",
    "device_group", "device", "sensor", "data",
)  # fmt: skip
STRINGS = ("channel", "device_group", "device")
INTEGERS = tuple(name for name in COLUMNS if name not in STRINGS)
#: The stored time of a row as microseconds since 1970: UTC for TIMESTAMP columns, wall time for DATETIME.
STORED = "stored_us"
