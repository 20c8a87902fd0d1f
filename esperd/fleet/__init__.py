"""All boards of the daemon.

``fleet`` opens each with all that it holds, and ends it in order; ``reload`` applies a changed configuration to them by
``board_changes``, so that one board that hangs does not hold up the others; ``handover`` and ``telemetry`` look at them
from time to time.
"""
