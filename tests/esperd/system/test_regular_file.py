"""What is opened, and what is not even touched."""

import os
import select
import socket
from pathlib import Path

import pytest

from esperd.system.regular_file import check_regular, open_regular, read_regular
from esperd.testing.elf_builds import unopened_terminal


def test_a_file_and_a_link_to_one_are_read(tmp_path: Path) -> None:
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_bytes(b"content")
    link.symlink_to(path)
    assert (read_regular(path), read_regular(link)) == (b"content", b"content")
    check_regular(link)


def test_neither_a_fifo_nor_a_socket_nor_a_folder_is_opened(tmp_path: Path) -> None:
    fifo, link, address = tmp_path / "fifo", tmp_path / "link", tmp_path / "socket"
    os.mkfifo(fifo)
    link.symlink_to(fifo)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        for path in (fifo, link, address, tmp_path, Path("/dev/null")):
            with pytest.raises(OSError, match="it is no regular file") as refused:
                open_regular(path)
            assert refused.value.filename == str(path)


def test_a_terminal_behind_a_link_does_not_hear_of_it(tmp_path: Path) -> None:
    link = tmp_path / "app.elf"
    with unopened_terminal() as (master, device):
        link.symlink_to(device)
        with pytest.raises(OSError, match="it is no regular file"):
            open_regular(link)
        watched = select.poll()
        watched.register(master)
        assert not [events for _, events in watched.poll(0) if events & select.POLLHUP]
        os.close(os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK))
        assert [events for _, events in watched.poll(0) if events & select.POLLHUP]


def test_what_is_not_there_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as refused:
        open_regular(tmp_path / "nothing")
    assert refused.value.filename == str(tmp_path / "nothing") or refused.value.filename == tmp_path / "nothing"


def test_no_file_stays_open(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").touch()
    before = os.listdir("/proc/self/fd")  # noqa: PTH208 - a folder of the kernel
    check_regular(tmp_path / "file")
    with pytest.raises(OSError, match="regular"):
        check_regular(tmp_path / "fifo")
    assert len(os.listdir("/proc/self/fd")) == len(before)  # noqa: PTH208 - as above
