"""SIGHUP on real daemons: boards that get each other's ports, and files that are away."""

from pathlib import Path

import pytest
import trio

from esper_protocol.events import Event, Failure, SessionClosed, SessionFailed, SessionOpened
from esper_protocol.messages import Subscribe
from esperd.testing.daemon import Bench, Daemon
from esperd.testing.reloading import File, board_table, names_of, reload, watch
from esperd.testing.terminal import BoardTerminal
from esperd.testing.viewer import bodies

# A port that somebody else holds is tried again after 5 s.
SOON_S = 3.0


async def opened(daemon: Daemon, board: str, path: str) -> list[Event]:
    """What the board said until it opened *path*."""
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe(board, after=0))
        with trio.fail_after(SOON_S):
            await viewer.wait_for(SessionOpened, lambda body: body.port == path)
        return viewer.events


async def test_two_boards_that_swap_their_ports_have_them_at_once(bench: Bench, tmp_path: Path) -> None:
    file, one, two = File(tmp_path), BoardTerminal(), BoardTerminal()
    file.write(board_table("a", one) + board_table("b", two))
    daemon = await bench.start(*file.arguments)
    await opened(daemon, "a", one.path)
    await opened(daemon, "b", two.path)
    file.write(board_table("a", two) + board_table("b", one))
    await reload(daemon)
    for name, path in (("a", two.path), ("b", one.path)):
        assert not bodies(await opened(daemon, name, path), SessionFailed)
    one.hang_up()
    two.hang_up()


async def test_the_port_of_a_board_that_got_another_or_went_is_had_at_once_by_who_gets_it(
    bench: Bench, tmp_path: Path
) -> None:
    file, one, two, three = File(tmp_path), BoardTerminal(), BoardTerminal(), BoardTerminal()
    file.write(board_table("a", one) + board_table("b", two))
    daemon = await bench.start(*file.arguments)
    await opened(daemon, "a", one.path)
    await opened(daemon, "b", two.path)
    # Kept, another port; new, the port that it had.
    file.write(board_table("a", three) + board_table("b", two) + board_table("c", one))
    await reload(daemon)
    assert not bodies(await opened(daemon, "c", one.path), SessionFailed)
    # Kept, the port of one that goes.
    file.write(board_table("a", three) + board_table("c", two))
    await reload(daemon)
    assert not bodies(await opened(daemon, "c", two.path), SessionFailed)
    for terminal in (one, two, three):
        terminal.hang_up()


async def test_a_port_that_another_board_of_ours_has_is_not_said_to_be_a_programs(
    bench: Bench, tmp_path: Path, terminal: BoardTerminal
) -> None:
    file = File(tmp_path)
    # By its URL nothing tells beforehand that it is the same device.
    first = f"[boards.a]\nport = 'alt://{terminal.path}?class=PosixPollSerial'\n"
    file.write(first)
    daemon = await bench.start(*file.arguments)
    async with daemon.viewer() as viewer:
        await watch(viewer, "a")
    file.write(first + board_table("b", terminal))
    await reload(daemon)
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        failed = (await viewer.wait_for(SessionFailed)).body
    assert isinstance(failed, SessionFailed)
    assert failed.error == (
        f"{terminal.path} is open in this esperd for another of its boards: it is opened when that one has closed it"
    )


@pytest.mark.parametrize("what", ["the named file", "the users file", "the boards own table", "the boards port"])
async def test_what_the_daemon_was_started_by_is_missed_when_it_is_away(
    bench: Bench, tmp_path: Path, terminal: BoardTerminal, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    (tmp_path / "esperd").mkdir()
    file, rights = File(tmp_path / "esperd"), "socket_mode = '0666'\n[access]\nview = ['root']\n"
    file.write(rights + board_table("b", terminal))
    arguments = file.arguments
    if what == "the users file":
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        arguments = arguments[2:]
    daemon = await bench.start(*arguments, "--instance", "b")
    async with daemon.viewer() as viewer:
        await watch(viewer, "b")
        if what.endswith("file"):
            file.path.rename(file.path.with_suffix(".old"))
            wanted = f"{file.path}: it can't be read: No such file or directory"
        else:
            file.write(rights if what.endswith("table") else rights + "[boards.b]\nbaud = 9600\n")
            wanted = f"{file.path}: boards.b.port is missing, and this daemon was started for that board"
        await reload(daemon, "configuration not read again")
        failure = (await viewer.wait_for(Failure)).body
        assert failure == Failure("configuration", wanted, "nothing was changed", None)
        file.write(rights + board_table("b", terminal))
        await reload(daemon, "changed=nothing")
        assert not bodies(viewer.events, SessionClosed)
    assert await names_of(daemon) == ["b"]
