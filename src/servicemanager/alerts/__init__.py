"""Troubles of every kind, by subject key: incidents, silences, what is news, and messages that are not lost."""
