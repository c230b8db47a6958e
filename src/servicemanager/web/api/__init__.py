"""The API for scripts, below /api/v1: everything that the pages show and do, as JSON."""
