"""Counting rows up and down over items of several rows each. Pure."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from esperctl.viewer.log.item import Item


class Place(NamedTuple):
    """The row ``part`` of the shown item of this index."""

    item_index: int
    part: int


class Viewport:
    """The shown items as one column of rows.

    Args:
        shown: The items.
        count_rows: How many rows an item has, one at least.
    """

    def __init__(self, shown: Sequence[Item], count_rows: Callable[[Item], int]) -> None:
        self._shown = shown
        self._count_rows = count_rows

    @property
    def last(self) -> Place:
        """The last row; there must be one."""
        index = len(self._shown) - 1
        return Place(index, self._count_rows(self._shown[index]) - 1)

    def up(self, place: Place, rows: int) -> tuple[Place, int]:
        """The row so many rows above, and how many rows there were too few."""
        index, part = place
        while rows > part:
            if index == 0:
                return Place(0, 0), rows - part
            rows -= part + 1
            index -= 1
            part = self._count_rows(self._shown[index]) - 1
        return Place(index, part - rows), 0

    def down(self, place: Place, rows: int) -> tuple[Place, int]:
        """The row so many rows below, and how many rows there were too few."""
        index, part = place
        while True:
            below = self._count_rows(self._shown[index]) - 1 - part
            if rows <= below:
                return Place(index, part + rows), 0
            if index == len(self._shown) - 1:
                return Place(index, part + below), rows - below
            rows -= below + 1
            index, part = index + 1, 0
