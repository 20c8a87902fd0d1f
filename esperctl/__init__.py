"""The client: one-shot commands and plain streams over a blocking Unix socket.

Read in the order a command runs: ``process`` (turns errors into exit codes), ``command_line`` (finds the command),
``arguments`` (what every command accepts), ``daemons`` (finds sockets, boards and core dumps), ``client`` (the socket
under the sans-IO connection), ``commands/`` (one file for each command), ``attachment`` (the loop of ``attach``).
``doctor/`` looks at the machine, ``completion/`` answers shells, both within ``deadline``.
``output`` alone writes to the terminal. Pure: ``times``, ``safe_text``, ``terminal_text``, ``subscription``,
``selection``, ``markers``, ``event_json``, ``dump_folding``, ``log_formats``, ``tables``, ``report_text``,
``container``, ``units``.

Start-up is felt with every command, so nothing here is imported before it is needed, and neither an event loop nor a
terminal library ever is.
"""
