"""What the service tells, as documents: the API's answers, the commands' `--json`, and what the pages show.

One definition for all three. Instants are aware and in UTC, spans are in seconds, days are local days of arrival.
"""
