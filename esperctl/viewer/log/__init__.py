"""The lines of a board in a bounded window: events in, rows for the screen out. Pure."""
