"""Sensor statistics: moments of archive and table, merged and published for the gateway's filter."""
