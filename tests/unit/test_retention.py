"""Which rows of our own tables grow old."""

from servicemanager.housekeeping.retention import RETENTIONS
from servicemanager.iotdb.tables import ours

#: What is never removed, and why.
KEPT = {
    "sm_archive, sm_archive_object, sm_archive_part": "they prove what the archive holds",
    "sm_rollup_block, sm_rollup_counted": "they count readings that only the archive holds",
    "sm_detached": "it says which rows wait outside of Facts to be proven; the export removes it",
    "sm_restore": "a repeated restore would double readings",
    "sm_lease, sm_fence": "one row for each job",
    "sm_meta, sm_migration": "what the database is",
    "sm_rollup_remembered": "the statistics see to it",
}


def test_every_table_has_a_retention_or_a_reason_to_be_kept():
    kept = {name for names in KEPT for name in names.split(", ")}
    listed = {each.table.name for each in RETENTIONS}
    children = {column.table.name for each in RETENTIONS for column in each.referring}
    assert kept | listed | children == set(ours.tables)
    assert not kept & (listed | children)
