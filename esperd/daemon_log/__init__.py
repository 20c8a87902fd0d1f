"""The daemon's own log: ``log_files`` writes it, ``limited_log`` keeps clients from filling it."""
