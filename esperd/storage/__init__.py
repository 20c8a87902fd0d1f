"""What stays: the journal, its newest part in memory, and the core dumps.

``tail`` is the newest part of a journal in memory, ``segments`` its files, ``journal`` their only writer,
``reserved_positions`` what it notes while a disk refuses, ``journal_reader`` reads them for a viewer,
``journal_search`` finds positions in them, ``disk_writer`` is the one task of a board that writes. ``coredumps`` is
the store of dumps, ``coredump_files`` their folders, ``coredump_recovery`` what a start repairs, ``orphans`` the dumps
that nobody owns, ``board_lock`` who owns a board.

Disk calls block, so they run in worker threads: never more than one for each board, and one for each viewer that reads
old events.
"""
