import os
import socket
import stat
from pathlib import Path

import pytest
import trio

from esperd.errors import EXIT_BUSY, StartError
from esperd.server.listener import accept_clients, open_listener
from esperd.storage.files import Access


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_socket_is_for_the_daemons_user_alone_and_goes_in_the_end(tmp_path: Path) -> None:
    path = tmp_path / "run" / "b.sock"
    before = os.umask(0)
    try:
        with open_listener(path, Access()):
            assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    finally:
        os.umask(before)
    assert list(path.parent.iterdir()) == []


def test_a_folder_is_made_only_where_that_is_asked_for_and_never_two(tmp_path: Path) -> None:
    path = tmp_path / "run" / "b.sock"
    with (
        pytest.raises(StartError, match=f"there is no directory {path.parent}$") as caught,
        open_listener(path, Access(), makes_directory=False),
    ):
        pytest.fail("it was made")
    assert caught.value.hint == "make it first"
    with (
        pytest.raises(StartError, match=f"there is no directory {path.parent}$"),
        open_listener(path.parent / "more" / "b.sock", Access()),
    ):
        pytest.fail("it was made")
    assert not path.parent.exists()


def test_with_a_group_its_members_may_connect(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may give files to any group")
    path = tmp_path / "run" / "b.sock"

    with open_listener(path, Access(group=4242)):
        assert (mode(path), path.stat().st_gid) == (0o660, 4242)
        assert (mode(path.parent) & 0o777, path.parent.stat().st_gid) == (0o750, 4242)


def test_a_folder_that_exists_is_not_given_to_the_group(tmp_path: Path) -> None:
    # It may be /run itself.
    with open_listener(tmp_path / "b.sock", Access(group=os.getegid())):
        pass

    before = tmp_path.stat()
    with open_listener(tmp_path / "b.sock", Access(group=4242 if os.geteuid() == 0 else os.getegid())):
        assert (tmp_path.stat().st_gid, tmp_path.stat().st_mode) == (before.st_gid, before.st_mode)


def test_the_socket_goes_also_when_the_daemon_fails(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a bug"), open_listener(tmp_path / "b.sock", Access()):
        raise ValueError("a bug")

    assert list(tmp_path.iterdir()) == []


def test_a_socket_that_a_killed_daemon_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "b.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))

    with open_listener(path, Access()), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_where_another_daemon_listens_is_busy(tmp_path: Path) -> None:
    path = tmp_path / "b.sock"

    with open_listener(path, Access()):
        with pytest.raises(StartError, match="another esperd listens on") as caught, open_listener(path, Access()):
            pytest.fail("two listen")
        assert caught.value.exit_code == EXIT_BUSY
        assert path.is_socket()


def test_a_socket_that_another_daemon_made_meanwhile_is_left_to_it(tmp_path: Path) -> None:
    path = tmp_path / "b.sock"
    with open_listener(path, Access()):
        path.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))

    assert path.is_socket()


@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_what_is_no_socket_is_not_replaced(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "b.sock"
    if kind == "file":
        path.touch()
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere")

    with pytest.raises(StartError, match="is no socket"), open_listener(path, Access()):
        pytest.fail("it was replaced")

    assert path.is_symlink() or path.exists()


def test_a_path_that_is_too_long_says_so(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="too long"), open_listener(tmp_path / ("x" * 120), Access()):
        pytest.fail("it listens")


async def test_clients_are_accepted_one_after_the_other(tmp_path: Path, nursery: trio.Nursery) -> None:
    path = tmp_path / "b.sock"
    with open_listener(path, Access()) as listener:
        arriving = accept_clients(listener)
        for _ in range(3):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                with trio.fail_after(10):
                    accepted = await anext(arriving)
                with accepted:
                    assert not accepted.getblocking()
                    accepted.send(b"hello")
                assert client.recv(10) == b"hello"
        await arriving.aclose()
