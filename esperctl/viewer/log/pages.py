"""Which pages of the journal are asked for: each once, and none again that brought nothing. Pure."""

from typing import Final, Literal

from esperctl.viewer.effects import FetchPage

Direction = Literal["older", "newer"]

_PAGE_LINES: Final = 500


class Pages:
    """The requests of one window. ``has_oldest``: there is nothing before the window."""

    def __init__(self) -> None:
        self.has_oldest = False
        self._token = 0
        self._awaited: dict[Direction, FetchPage] = {}
        self._blocked: set[Direction] = set()

    def restart(self) -> None:
        """The window begins anew; what was asked for is no longer wanted."""
        self._token += 1
        self._awaited.clear()
        self._blocked.clear()
        self.has_oldest = False

    def ask(self, direction: Direction, position: int) -> FetchPage | None:
        """A request, unless one is under way, or the last one was in vain."""
        if direction in self._awaited or direction in self._blocked:
            return None
        request = FetchPage(direction, position, _PAGE_LINES, self._token)
        self._awaited[direction] = request
        return request

    def is_awaited(self, direction: Direction) -> bool:
        """Whether a page is under way."""
        return direction in self._awaited

    def is_blocked(self, direction: Direction) -> bool:
        """Whether the last request was in vain."""
        return direction in self._blocked

    def arrived(self, request: FetchPage) -> bool:
        """Whether this was awaited; it is no longer."""
        if self._awaited.get(request.direction) != request:
            return False
        del self._awaited[request.direction]
        return True

    def block(self, direction: Direction) -> None:
        """Asks for nothing in this direction until ``unblock``."""
        self._blocked.add(direction)

    def unblock(self, *directions: Direction) -> None:
        """Asks again."""
        self._blocked.difference_update(directions)
