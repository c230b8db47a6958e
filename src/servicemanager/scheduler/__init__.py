"""When jobs run: cron patterns, what is due, and the processes that do it."""
