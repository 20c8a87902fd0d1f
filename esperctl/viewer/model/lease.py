"""The write lease: whether this viewer holds it, and who else does. Pure.

The lease is known by the daemon's name for this viewer (such as ``alice (pid 4242)``), which the daemon tells when the
viewer gets the lease, and in its ``viewer_attached`` event.
"""

from esper_protocol.events import Body, ViewerAttached, WriterChanged
from esper_protocol.messages import Subscribed


class Lease:
    """Who may type.

    Attributes:
        is_own: Whether this viewer may.
        holder: Who may, by name; None: nobody, or it is not known.
        own_name: This viewer's name to the daemon, once it is known.
    """

    def __init__(self) -> None:
        self.is_own = False
        self.holder: str | None = None
        self.own_name: str | None = None
        self._viewer: int | None = None
        self._is_taking = False
        self._candidate: str | None = None

    def attached(self, subscribed: Subscribed) -> None:
        """A subscription begins: what the daemon says of the lease now."""
        self.is_own = subscribed.is_writer
        self.holder = subscribed.writer
        self.own_name = subscribed.writer if subscribed.is_writer else None
        self._viewer = subscribed.viewer
        self._is_taking = False

    def detached(self) -> None:
        """The connection is gone, and the lease with it."""
        self.is_own = False
        self.holder = self.own_name = None
        self._is_taking = False

    def asked(self) -> None:
        """It was asked for."""
        self._is_taking = True
        self._candidate = None

    def granted(self) -> None:
        """The daemon gave it; the event about it came before this answer, or comes after it."""
        self.is_own = True
        self._is_taking = False
        self.own_name = self.own_name or self._candidate
        self.holder = self.own_name

    def released(self) -> None:
        """It was given back."""
        self.is_own = False
        self.holder = None

    def refused(self) -> None:
        """The daemon says that somebody else has it."""
        self.is_own = self._is_taking = False

    def follow(self, body: Body) -> bool:
        """Takes note of a live event; whether it took the lease away from this viewer."""
        if isinstance(body, ViewerAttached) and body.viewer == self._viewer:
            self.own_name = body.who
        if not isinstance(body, WriterChanged):
            return False
        self.holder = body.writer
        if self.own_name is None and self.is_own:
            self.own_name = body.writer
        elif self._is_taking:
            self._candidate = body.writer
        was_own = self.is_own
        self.is_own = body.writer is not None and body.writer == self.own_name
        return was_own and not self.is_own
