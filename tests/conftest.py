"""Servers and databases that every test may ask for."""

from hypothesis import HealthCheck, settings

pytest_plugins = [
    "support.mariadb",
    "support.iotdb",
    "support.s3server",
    "support.exports",
    "support.sites",
    "support.topic",
    "support.service_desk",
    "support.browser",
]

# How long an example takes says more about what else the machine does than about the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
