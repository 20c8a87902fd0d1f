"""Boards without hardware: a recorded transcript, or a simulated board that answers, behind a real pseudo-terminal.

``recording`` reads what was recorded, ``player`` says what a source of bytes is (pure: time and input in, bytes out),
``replay`` and ``board_script`` are two of them, ``terminal`` joins one to a pseudo-terminal, ``simulated_board`` knows
the scenarios. The recordings were made with the firmware in ``/firmware``.
"""
