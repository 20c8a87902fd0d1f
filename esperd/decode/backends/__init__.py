"""Decoders, each behind the interface of ``backend``: ``native`` is our own, ``esp_coredump`` Espressif's with GDB.

They run in the worker process, never in the daemon. One more is a class with that interface and a line in the table of
``esperd.decode.worker``; one that is not written in Python is a program that speaks ``esperd.decode.request``, named by
``decode.command`` in the daemon's configuration.
"""
