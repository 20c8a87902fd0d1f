"""The esperd wire protocol: messages, framing and a connection without I/O, for both sides.

SPEC.md beside this package is normative. This package imports msgspec and pure parts of the standard library
only; sockets, clocks and tasks belong to whoever drives a connection.
"""
