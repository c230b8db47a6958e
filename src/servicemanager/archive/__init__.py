"""What is kept: immutable Parquet objects, the journal of them, and their proof."""
