"""A simulated fleet, to see the service at work on nothing but this machine."""
