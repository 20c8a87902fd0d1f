"""The write lease: at most one interactive client may type on a board."""

from esper_protocol.events import WriterChanged
from esperd.board.publisher import Publisher
from esperd.errors import CommandError


class WriterLease:
    """Who holds it; every change is an event, so that everyone sees it happen."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._client: int | None = None
        self._who: str | None = None

    @property
    def holder(self) -> str | None:
        """The holder's name."""
        return self._who

    def is_held_by(self, client: int) -> bool:
        """Whether *client* may type."""
        return self._client == client

    def take(self, client: int, who: str, *, steal: bool) -> None:
        """Gives the lease to *client*.

        Raises:
            CommandError: ``busy``, and who holds it, unless *steal*.
        """
        if self._client == client:
            return
        if self._who is not None and not steal:
            raise CommandError(
                "busy", f"{self._publisher.board}: {self._who} is writing", "take over with `esperctl attach --steal`"
            )
        previous = self._who
        self._client, self._who = client, who
        self._publisher.publish(WriterChanged(who, previous, previous is not None))

    def release(self, client: int) -> None:
        """Takes the lease from *client*, if it is the holder."""
        if self._client == client:
            previous, self._client, self._who = self._who, None, None
            self._publisher.publish(WriterChanged(None, previous, stolen=False))

    def check_may_send(self, client: int) -> None:
        """Anybody may send while nobody holds the lease.

        Raises:
            CommandError: ``busy``: somebody else holds it.
        """
        if self._who is not None and self._client != client:
            raise CommandError(
                "busy",
                f"{self._publisher.board}: {self._who} is writing",
                "wait, or take over with `esperctl attach --steal`",
            )
