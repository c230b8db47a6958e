"""ServiceManager: the maintenance service of the Meccano IoT platform."""

__version__ = "0.1.0"
