"""The write lease: at most one interactive viewer types on a board, and other people stay out meanwhile."""

from dataclasses import dataclass
from typing import Final

from esper_protocol.events import WriterChanged
from esperd.board.publisher import Publisher
from esperd.errors import CommandError

_TAKE_OVER: Final = "take over with `esperctl attach --steal`"


@dataclass(frozen=True, slots=True)
class Writer:
    """A client that writes, or wants to: its number, its user's, and its name for people."""

    client: int
    user: int
    who: str


class WriterLease:
    """Who holds it; every change is an event, so that everyone sees it happen."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._writer: Writer | None = None

    @property
    def holder(self) -> str | None:
        """The holder's name."""
        return None if self._writer is None else self._writer.who

    def is_held_by(self, client: int) -> bool:
        """Whether *client* may type."""
        return self._writer is not None and self._writer.client == client

    def take(self, writer: Writer, *, steal: bool) -> None:
        """Gives the lease to *writer*.

        Raises:
            CommandError: ``busy``, and who holds it, unless *steal*.
        """
        if self.is_held_by(writer.client):
            return
        previous = self.holder
        if previous is not None and not steal:
            raise self._busy(previous, _TAKE_OVER)
        self._writer = writer
        self._publisher.publish(WriterChanged(writer.who, previous, previous is not None))

    def release(self, client: int) -> None:
        """Takes the lease from *client*, if it is the holder."""
        if self.is_held_by(client):
            previous, self._writer = self.holder, None
            self._publisher.publish(WriterChanged(None, previous, stolen=False))

    def check_may_write(self, writer: Writer, *, is_interactive: bool, flag: str) -> None:
        """Lets through whom the lease does not keep out; it stays where it is.

        It keeps out other users. Of the holder's own clients it keeps out those that are interactive, too, because of
        those one types at a time; a command that somebody gives beside the own viewer is no rival of it.

        Args:
            writer: Who wants to write.
            is_interactive: Whether it is a viewer that takes the lease to type.
            flag: The option of the command that does it all the same, for the error.

        Raises:
            CommandError: ``busy``, and who holds the lease.
        """
        holder = self._writer
        if holder is None or holder.client == writer.client:
            return
        if is_interactive:
            raise self._busy(holder.who, f"wait, or {_TAKE_OVER}")
        if holder.user != writer.user:
            raise self._busy(holder.who, f"wait, or do it all the same with {flag}")

    def _busy(self, holder: str, hint: str) -> CommandError:
        return CommandError("busy", f"{self._publisher.board}: {holder} is writing", hint)
