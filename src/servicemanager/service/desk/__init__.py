"""What the service tells and has done for people and programs: one set of functions for commands, API and pages."""
