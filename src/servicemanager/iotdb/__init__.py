"""The platform's database: the only place that knows its tables and its two SQL dialects."""
