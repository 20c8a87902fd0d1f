"""What a board's bytes mean: pure state machines without I/O, clocks, tasks or logging.

Bytes and the time (seconds of any monotonic clock) go in; values come out: bodies of events to publish and
effects to carry out. Malformed input from a board is never an exception here, it is something to report.
``pipeline`` composes the parts; read ``lines``, then ``boot``, ``panic``, ``capture``, then ``pipeline``.
"""
