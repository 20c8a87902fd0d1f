"""One device that several boards are to have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from esper_protocol.events import SessionClosed, SessionFailed, SessionOpened
from esperd.service.status import status_text
from esperd.testing.boards import open_boards
from esperd.testing.terminal import BoardTerminal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.esperd.board.conftest import Recorder


@pytest.fixture
def links(tmp_path: Path, terminal: BoardTerminal) -> dict[str, str]:
    """A chip as udev shows it: the device, and its link."""
    made = {"device": tmp_path / "dev/ttyACM0", "link": tmp_path / "dev/serial/by-id/usb-Espressif-if00"}
    for path in made.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(terminal.path)
    return {name: str(path) for name, path in made.items()}


async def failed(recorder: Recorder, words: str) -> None:
    with trio.fail_after(20):
        while not any(words in body.error for body in recorder.bodies(SessionFailed)):
            await recorder.grew.wait()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("ttyACM0={device}", "usb-Espressif-if00={link}"),
        ("left={link}", "usb-Espressif-if00={link}"),
        ("left={link}", "ttyACM0={device}"),
        ("left={link}", "right={device}"),
    ],
)
async def test_a_device_is_left_to_the_name_that_goes_first(
    tmp_path: Path, links: dict[str, str], recorder: Recorder, first: str, second: str
) -> None:
    winner, loser = first.partition("=")[0], second.partition("=")[0]
    state = tmp_path / "state"
    async with open_boards(state, first.format(**links), own_ports=True) as ours:
        ours.board(winner).publisher.add_follower(winning := type(recorder)())
        async with open_boards(state, second.format(**links), own_ports=True) as theirs:
            theirs.board(loser).publisher.add_follower(recorder)
            await failed(recorder, f"is served as {winner} (pid ")
            assert recorder.bodies(SessionOpened) == []
            assert status_text([theirs.board(loser)]).startswith(f"{loser} is served as {winner} (pid ")
            await winning.wait_for(SessionOpened)


async def test_who_goes_first_and_comes_later_is_handed_the_device(
    tmp_path: Path, links: dict[str, str], recorder: Recorder
) -> None:
    state = tmp_path / "state"
    async with open_boards(state, f"usb-Espressif-if00={links['link']}", own_ports=True) as first:
        early = first.board("usb-Espressif-if00")
        early.publisher.add_follower(recorder)
        await recorder.wait_for(SessionOpened)
        await early.hand_over()
        assert recorder.bodies(SessionClosed) == []
        async with open_boards(state, f"left={links['link']}", own_ports=True) as second:
            second.board("left").publisher.add_follower(late := type(recorder)())
            await failed(late, "lets go of it within a minute")
            await early.hand_over()
            await failed(recorder, "is served as left (pid ")
            (closed,) = recorder.bodies(SessionClosed)
            assert closed.reason.startswith("its device is served as left (pid ")
            await late.wait_for(SessionOpened)
        # And has it again when that one is gone.
        await recorder.wait_for(SessionOpened, 2)


async def test_neither_a_board_that_nobody_runs_nor_another_device_is_in_the_way(
    tmp_path: Path, links: dict[str, str], recorder: Recorder
) -> None:
    state = tmp_path / "state"
    async with open_boards(state, f"left={links['link']}"):
        pass
    other = BoardTerminal()
    async with (
        open_boards(state, f"right={other.path}", own_ports=True),
        open_boards(state, f"ttyACM0={links['device']}", own_ports=True) as registry,
    ):
        registry.board("ttyACM0").publisher.add_follower(recorder)
        await recorder.wait_for(SessionOpened)
        assert recorder.bodies(SessionFailed) == []
    other.hang_up()
