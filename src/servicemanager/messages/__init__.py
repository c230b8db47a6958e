"""Old messages to devices, cleared with care."""
