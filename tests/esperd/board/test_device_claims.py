"""One device that several boards are to have."""

from __future__ import annotations

import os
import resource
import subprocess
from typing import TYPE_CHECKING

import pytest
import trio

from esper_protocol.events import SessionClosed, SessionFailed, SessionOpened
from esperd.board.device_claims import DeviceClaims
from esperd.ports.endpoint import parse_board_argument, parse_endpoint
from esperd.service.status import status_text
from esperd.storage.board_lock import hold_board
from esperd.storage.files import Access
from esperd.testing.boards import open_boards
from esperd.testing.small_disk import limited_file_size
from esperd.testing.terminal import BoardTerminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from esperd.ports.endpoint_kinds import Endpoint
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


async def test_a_board_that_moves_away_on_a_full_disk_leaves_no_claim(tmp_path: Path, links: dict[str, str]) -> None:
    state, access = tmp_path / "state", Access()
    async with hold_board(state, "left", access):
        mine, other = DeviceClaims(state, "left", access), DeviceClaims(state, "right", access)
        mine.note(endpoint(links["device"]))
        assert await other.rival(endpoint(links["link"])) is not None

        with limited_file_size(0):
            mine.note(endpoint("/dev/ttyUSB9"))

        assert await other.rival(endpoint(links["link"])) is None


async def test_a_board_that_starts_again_on_a_full_disk_keeps_its_claim(tmp_path: Path, links: dict[str, str]) -> None:
    state, access = tmp_path / "state", Access()
    async with hold_board(state, "left", access):
        mine, other = DeviceClaims(state, "left", access), DeviceClaims(state, "right", access)
        mine.note(endpoint(links["device"]))

        with limited_file_size(0):
            mine.note(endpoint(links["device"]))

        assert await other.rival(endpoint(links["link"])) is not None


def endpoint(path: str) -> Endpoint:
    return parse_board_argument(f"b={path}").endpoint


def make_silent_claim(state: Path) -> Path:
    """What a board noted on a disk that hangs until somebody opens it for writing."""
    claim = state / "boards" / "silent" / "device"
    claim.parent.mkdir(parents=True, mode=0o700)
    os.mkfifo(claim)
    return claim


@pytest.fixture
def slow_claim(tmp_path: Path) -> Iterator[None]:
    """One on a disk that answers after five seconds, also when the test's event loop stands still."""
    claim = make_silent_claim(tmp_path / "state")
    with subprocess.Popen(["/bin/sh", "-c", 'sleep 5; : <> "$0"', str(claim)]):
        yield


@pytest.mark.usefixtures("slow_claim")
async def test_a_disk_that_hangs_holds_up_no_board(tmp_path: Path, links: dict[str, str], recorder: Recorder) -> None:
    started = trio.current_time()
    async with open_boards(tmp_path / "state", f"left={links['link']}", own_ports=True) as registry:
        registry.board("left").publisher.add_follower(recorder)
        await recorder.wait_for(SessionOpened)
    assert trio.current_time() - started < 4


async def test_a_disk_that_hangs_holds_up_no_stop(tmp_path: Path, links: dict[str, str], recorder: Recorder) -> None:
    state = tmp_path / "state"
    async with open_boards(state, f"left={links['link']}", own_ports=True) as registry:
        board, ended = registry.board("left"), trio.Event()
        board.publisher.add_follower(recorder)
        await recorder.wait_for(SessionOpened)
        claim = make_silent_claim(state)

        async def look() -> None:
            try:
                await board.hand_over()
            finally:
                ended.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(look)
            await trio.testing.wait_all_tasks_blocked()
            assert not ended.is_set()
            nursery.cancel_scope.cancel()
            with trio.move_on_after(1, shield=True):
                await ended.wait()
            was_over = ended.is_set()
            os.close(os.open(claim, os.O_RDWR))
        assert was_over


async def test_an_answer_that_comes_when_the_port_is_another_one_is_not_for_that_one(
    tmp_path: Path, links: dict[str, str], recorder: Recorder
) -> None:
    state, other = tmp_path / "state", BoardTerminal()
    async with open_boards(state, f"ttyACM0={links['device']}", own_ports=True) as registry:
        board = registry.board("ttyACM0")
        board.publisher.add_follower(recorder)
        await recorder.wait_for(SessionOpened)
        async with open_boards(state, f"left={links['link']}"):
            # A disk that answers late.
            claim = state / "boards" / "left" / "device"
            noted = claim.read_bytes()
            claim.unlink()
            os.mkfifo(claim)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(board.hand_over)
                with await trio.to_thread.run_sync(claim.open, "wb") as disk:
                    board.reconfigure(parse_endpoint(other.path), 115_200, board.parts.core_limits)
                    await board.standby.wait_begun()
                    disk.write(noted)
            claim.unlink()
            board.standby.end()
            await recorder.wait_for(SessionOpened, 2)
    reasons = [closed.reason for closed in recorder.bodies(SessionClosed)]
    assert reasons == ["its settings were changed", "the daemon stops"]
    other.hang_up()


async def test_too_many_open_files_are_no_reason_to_leave_a_device_and_end_nothing(
    tmp_path: Path, links: dict[str, str]
) -> None:
    endpoint = parse_endpoint(links["device"])
    claims = DeviceClaims(tmp_path, "b", Access())
    (tmp_path / "boards/other").mkdir(parents=True)
    (tmp_path / "boards/other/device").write_text(links["device"])
    # The thread that looks is there before, and needs no file.
    await claims.rival(endpoint)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            os.scandir(tmp_path)
        rival = await claims.rival(endpoint)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert rival is None
