"""Which right each request needs, and the refusal of those who have it not."""

import logging
from typing import Final

import msgspec

from esper_protocol import messages
from esper_protocol.messages import RequestBody
from esperd.daemon_log.limited_log import LimitedLog
from esperd.errors import CommandError
from esperd.permissions import Permissions, Right
from esperd.server.peer import Peer

_log: Final = LimitedLog(logging.getLogger(__name__))

_KINDS: Final[dict[Right, tuple[type[msgspec.Struct], ...]]] = {
    "view": (
        messages.ListBoards,
        messages.Subscribe,
        messages.Unsubscribe,
        messages.ReleaseWriter,
        messages.ReturnPort,
        messages.ListCoredumps,
        messages.CoredumpInfo,
        messages.ReadCoredumpFile,
        messages.ListElfs,
    ),
    "write": (
        messages.TakeWriter,
        messages.Send,
        messages.Reset,
        messages.Break,
        messages.LendPort,
        messages.AddNote,
        messages.AbortCapture,
        messages.PinCoredump,
        messages.DecodeCoredump,
        messages.CancelDecode,
        messages.AddElf,
        messages.AddElfPart,
    ),
    "administer": (messages.RemoveCoredump, messages.PruneCoredumps, messages.RemoveElf),
}
RIGHTS: Final[dict[type[msgspec.Struct], Right]] = {kind: right for right, kinds in _KINDS.items() for kind in kinds}
_TEXTS: Final[dict[Right, str]] = {
    "view": "view boards",
    "write": "write to boards",
    "administer": "delete what is stored",
}


def check_right(permissions: Permissions, peer: Peer, who: str, body: RequestBody) -> None:
    """Lets through what *peer*, whom people know as *who*, may ask for.

    Raises:
        CommandError: ``permission``, with who may.
    """
    # A request that nobody thought of here is one for the few.
    right = RIGHTS.get(type(body), "administer")
    if not may(permissions, peer, right):
        kind = str(body.__struct_config__.tag)
        _log.write(logging.WARNING, "request refused who=%s request=%s right=%s", who, kind, right)
        raise CommandError(
            "permission",
            f"{who} may not {_TEXTS[right]}; {permissions.who_may(right)} may",
            f"access.{right} in the configuration of esperd says who may",
        )


def may(permissions: Permissions, peer: Peer, right: Right) -> bool:
    """Whether *peer* has *right*."""
    return permissions.allow(right, peer.user, peer.groups)
