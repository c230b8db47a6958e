"""What the migration guide takes from the Node version's account."""

from collections import Counter

import pymysql
import pytest

from support.docs import DOCS, blocks
from support.iotdb import facts_ddl, mysql_iotdb, reading
from support.statistics import DDL

(TAKE_AWAY,) = blocks(DOCS / "how-to" / "migrate-from-node.md", "sql")
HISTORY = "CREATE TABLE DeviceHistoryStatus (status VARCHAR(20), numberOfDevices INT, creationDate TIMESTAMP)"


def test_node_keeps_reporting_and_can_no_longer_delete_a_reading(mysql_server, mysql_database):
    iotdb = mysql_iotdb(mysql_server, mysql_database, facts_ddl())
    mysql_server.execute(DDL, HISTORY, database=mysql_database)
    iotdb.insert([reading(), reading()])
    account = f"'node_{mysql_database[-20:]}'@'%'"
    mysql_server.execute(
        f"CREATE USER {account} IDENTIFIED BY 'word'", f"GRANT ALL ON `{mysql_database}`.* TO {account}"
    )
    for statement in TAKE_AWAY.replace("`IOTDB`", f"`{mysql_database}`").replace("'node'@'%'", account).split(";"):
        if statement.strip():
            mysql_server.execute(statement)
    node = pymysql.connect(
        host=mysql_server.host,
        port=mysql_server.port,
        user=account.split("'")[1],
        password="word",
        database=mysql_database,
        autocommit=True,
    )
    try:
        with node.cursor() as cursor:
            cursor.execute("SELECT device, sensor, AVG(data) FROM Facts GROUP BY device, sensor")
            cursor.execute("TRUNCATE DeviceStatistics")
            cursor.execute("INSERT INTO DeviceHistoryStatus (status, numberOfDevices) VALUES ('NORMAL', 1)")
            cursor.execute("DELETE FROM DeviceHistoryStatus")
            for attempt in ("DELETE FROM Facts", "TRUNCATE Facts", "DROP TABLE Facts", "UPDATE Facts SET data = 0"):
                with pytest.raises(pymysql.err.OperationalError, match="command denied"):
                    cursor.execute(attempt)
    finally:
        node.close()
        mysql_server.execute(f"DROP USER {account}")
    assert iotdb.rows() == Counter([reading(), reading()])
    iotdb.database.close()
