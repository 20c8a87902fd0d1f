"""Ports: a descriptor, a socket or a pseudo-terminal that yields the bytes of one board.

Reading order: ``endpoint`` (what the user typed, as one of ``endpoint_kinds``), ``port`` (the seam that every port
satisfies, and its errors), ``opening`` (value to open port), then one module a transport: ``tty`` with ``open_tty``,
``tcp``, ``rfc2217_port`` on ``rfc2217`` (sans-IO), ``pyserial_url``. Rules of all of them: opening never resets a board
and never discards what it said before; a cancelled ``receive`` loses no byte; nothing probes a port by opening it.
"""
