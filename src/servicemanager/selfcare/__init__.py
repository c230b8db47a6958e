"""Whether the service itself does its work: figures, their limits, and incidents where one is passed."""
