import os
import pwd
import socket

from esperd.server.peer import describe_peer


def test_a_peer_is_who_the_kernel_says() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert describe_peer(ours) == f"{pwd.getpwuid(os.getuid()).pw_name} (pid {os.getpid()})"
