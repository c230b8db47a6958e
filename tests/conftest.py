"""Servers and databases that every test may ask for."""

pytest_plugins = ["support.mariadb", "support.iotdb", "support.s3server", "support.exports", "support.sites"]
