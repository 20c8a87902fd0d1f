"""Who is at the other end of a Unix socket, as the kernel says."""

import array
import socket
import struct
from dataclasses import dataclass
from typing import Final

_CREDENTIALS: Final = struct.Struct("3i")  # struct ucred: pid, uid, gid. Source: unix(7), SO_PEERCRED.
# Source: asm-generic/socket.h; Python has no name for it.
_SO_PEERGROUPS: Final = 59
# The kernel's own limit. Source: limits.h of Linux, NGROUPS_MAX.
_MOST_GROUPS: Final = 65536


@dataclass(frozen=True, slots=True)
class Peer:
    """A process that connected: as whom, and with which groups it did so."""

    pid: int
    user: int
    groups: frozenset[int]

    def called(self, name: str) -> str:
        """For example ``alice (pid 4242)``."""
        return f"{name} (pid {self.pid})"


def peer_of(client: socket.socket) -> Peer:
    """The user and process at the other end of a connection, as the kernel has noted them: nothing is looked up."""
    pid, user, group = _CREDENTIALS.unpack(client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return Peer(pid, user, frozenset({group, *_supplementary_groups(client)}))


def _supplementary_groups(client: socket.socket) -> tuple[int, ...]:
    groups = array.array("I")
    try:
        groups.frombytes(client.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MOST_GROUPS * groups.itemsize))
    except OSError:
        # Kernels before 4.13, and those architectures that number it otherwise: then its first group has to do.
        return ()
    return tuple(groups)
