"""Who is at the other end of a Unix socket, as the kernel says."""

import pwd
import socket
import struct
from typing import Final

_CREDENTIALS: Final = struct.Struct("3i")  # struct ucred: pid, uid, gid. Source: unix(7), SO_PEERCRED.


def describe_peer(client: socket.socket) -> str:
    """The user and process of a client, e.g. ``alice (pid 4242)``."""
    pid, uid, _ = _CREDENTIALS.unpack(client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = f"uid {uid}"
    return f"{user} (pid {pid})"
