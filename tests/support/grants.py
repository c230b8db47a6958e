"""The rights that the reference lists, read from it and given to an account."""

from __future__ import annotations

import re

from support.docs import DOCS, blocks

RIGHTS = DOCS / "reference" / "grants-and-policy.md"
ALWAYS, INTO_A_TABLE, INTO_FACTS, INDEX, PARTITIONS, HEALTH, ACCOUNTS = blocks(RIGHTS, "sql")
GRANT = re.compile(r"GRANT ([\w, ]+?) +ON `IOTDB`\.`(\w+)` +TO 'servicemanager'@'%';")


def grants(*texts: str) -> list[tuple[str, str]]:
    """Every right on every table, as the page lists them."""
    return [(right, table) for text in texts for list_, table in GRANT.findall(text) for right in list_.split(", ")]


def give(server, schema: str, account: str, rights: list[tuple[str, str]]) -> None:
    by_table: dict[str, list[str]] = {}
    for right, table in rights:
        by_table.setdefault(table, []).append(right)
    # One statement for each table: a right on a table that is still to be made needs CREATE beside it.
    server.execute(
        *(f"GRANT {', '.join(each)} ON `{schema}`.`{table}` TO '{account}'@'%'" for table, each in by_table.items())
    )
