"""What stays: the journal, its newest part in memory, and the core dumps.

``tail`` is the newest part of a journal in memory, ``journal`` the segments on disk, ``journal_reader`` reads them for
a viewer, ``disk_writer`` is the one task of a board that writes, ``coredumps`` the store of dumps. Disk calls block, so
they run in worker threads: never more than one for each board, and one for each viewer that reads old events.
"""
