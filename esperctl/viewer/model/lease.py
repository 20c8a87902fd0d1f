"""The write lease: whether this viewer holds it, and who else does. Pure.

What holds is what the daemon's events say, in their order: an answer to a request may come before older events or
behind newer ones. This viewer is known by the daemon's name for it (such as ``alice (pid 4242)``), which its own
``viewer_attached`` event tells, and the subscription if it begins with the lease.
"""

from typing import Literal

from esper_protocol.events import Body, ViewerAttached, WriterChanged
from esper_protocol.messages import Subscribed

Change = Literal["gained", "lost"]


class Lease:
    """Who may type.

    Attributes:
        is_own: Whether this viewer may.
        holder: Who may, by name; None: nobody, or it is not known.
        own_name: This viewer's name to the daemon, once it is known.
        is_awaited: Whether this viewer held it when the connection went, and asks for it when there is another.
        is_forbidden: The daemon's configuration lets this user view, and no more.
    """

    def __init__(self) -> None:
        self.is_own = self.is_awaited = False
        self.holder: str | None = None
        self.own_name: str | None = None
        self.is_forbidden = False
        self._viewer: int | None = None

    def attached(self, subscribed: Subscribed, *, was_asked_for: bool) -> None:
        """A subscription begins: what the daemon says of the lease now, which the viewer asked for or not."""
        if was_asked_for:
            # Whoever may write gets a lease that is free.
            self.is_forbidden = subscribed.writer is None
        self.is_own, self.is_awaited = subscribed.is_writer, False
        self.holder = subscribed.writer
        self.own_name = subscribed.writer if subscribed.is_writer else None
        self._viewer = subscribed.viewer

    def detached(self) -> None:
        """The connection is gone, and the lease with it. Harmless when repeated."""
        self.is_awaited = self.is_awaited or self.is_own
        self.is_own = False
        self.holder = self.own_name = None

    def refused(self, *, is_forbidden: bool) -> None:
        """The daemon says that this viewer may not type: now, or by the configuration never."""
        self.is_own = False
        self.is_forbidden = self.is_forbidden or is_forbidden

    def follow(self, body: Body) -> Change | None:
        """Takes note of a live event; what it changed for this viewer."""
        if isinstance(body, ViewerAttached) and body.viewer == self._viewer:
            self.own_name = body.who
            return self._settle()
        if isinstance(body, WriterChanged):
            self.holder = body.writer
            return self._settle()
        return None

    def granted(self) -> Change | None:
        """The daemon says that this viewer has it, or had it all along: then no event tells that."""
        return self._settle()

    def _settle(self) -> Change | None:
        was_own = self.is_own
        self.is_own = self.holder is not None and self.holder == self.own_name
        if self.is_own == was_own:
            return None
        self.is_forbidden = False
        return "gained" if self.is_own else "lost"
