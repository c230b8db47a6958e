"""The devices' health: who is silent, since when, and what the outage of everything explains."""
