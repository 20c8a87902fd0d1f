import os
import socket

from esperd.server.peer import peer_of


def test_a_peer_is_who_the_kernel_says() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        peer = peer_of(ours)

        assert peer.called("alice") == f"alice (pid {os.getpid()})"
        assert (peer.pid, peer.user) == (os.getpid(), os.getuid())
        assert peer.groups == {os.getgid(), *os.getgroups()}
