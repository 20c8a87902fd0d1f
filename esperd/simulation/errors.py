"""What can be wrong with a simulated or replayed board."""

from __future__ import annotations


class SimulationError(ValueError):
    """A board that cannot be simulated or replayed; the message is a sentence for the user."""
