"""Housekeeping: what ServiceManager wrote for itself, and nobody needs any more, goes."""
