"""A daemon whose configuration file is written again, and read again."""

import signal
from pathlib import Path
from typing import cast

from esper_protocol.events import SessionOpened
from esper_protocol.messages import Boards, ListBoards, Subscribe
from esperd.testing.daemon import Daemon
from esperd.testing.terminal import BoardTerminal
from esperd.testing.viewer import Viewer


class File:
    """A configuration that is written again."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "esperd.toml"

    def write(self, text: str) -> None:
        """Puts *text* in place of what it says."""
        self.path.write_text(text, "utf-8")

    @property
    def arguments(self) -> tuple[str, ...]:
        """What a daemon is started with that reads it."""
        return "--config", str(self.path), "--socket", str(self.path.with_name("s.sock"))


async def reload(daemon: Daemon, words: str = "configuration read again") -> None:
    """Has it read again, and waits until the log says *words*."""
    before = len(daemon.log)
    daemon.process.send_signal(signal.SIGHUP)
    await daemon.wait_for_log(words, after=before)


async def names_of(daemon: Daemon) -> list[str]:
    """The boards that it shows."""
    async with daemon.viewer() as viewer:
        answer = cast("Boards", await viewer.request(ListBoards()))
        return [board.board for board in answer.boards]


def board_table(name: str, terminal: BoardTerminal, more: str = "") -> str:
    """The table of a board that has this port."""
    return f"[boards.{name}]\nport = '{terminal.path}'\n{more}\n"


async def watch(viewer: Viewer, board: str) -> None:
    """Follows a board from the beginning, and waits until its port is open."""
    await viewer.subscribe(Subscribe(board, after=0))
    await viewer.wait_for(SessionOpened)
