"""Core dumps into reports without GDB: a library of plain values, usable without the daemon.

``dump`` turns text, a container or a bare ELF core into one container and a list of doubts; ``image`` reads tasks,
registers and memory from it, which needs no ELF file; ``program`` answers what an ELF file with DWARF says; ``unwind``
walks the stacks of both machines; ``freertos`` reads the tasks' control blocks; ``report`` joins all of it, and
``report_text`` prints it the way engineers know. ``decode_core_dump`` in ``decoder`` is the way in.

``panic`` does the same for the text of a panic, and ``symbolizer`` is a process that stays and does it for the daemon.
``jobs`` and ``panic_jobs`` are the daemon's side: what is decoded when, and what becomes of it.
"""
