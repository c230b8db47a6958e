"""What Prometheus asks for: the overview's figures under its conventions.

No label ever holds the name of a device or a shop, so that there are as many series on a fleet of a million as on ten.
"""
