from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from hypothesis import given, settings, strategies as st

from esperd.simulation.errors import SimulationError
from esperd.simulation.recording import Recording, load_recording
from esperd.simulation.replay import open_replay, replay_player

if TYPE_CHECKING:
    from pathlib import Path

    from esperd.simulation.player import Player


def spoken(player: Player, *, until: float = 1e9, passes: int = 100_000) -> list[tuple[float, bytes]]:
    said: list[tuple[float, bytes]] = []
    while passes and (deadline := player.deadline) is not None and deadline <= until:
        said.append((deadline, player.on_deadline(deadline)))
        passes -= 1
    return said


async def read_exactly(terminal: int, count: int, *, chunk: int = 65536) -> bytes:
    got = bytearray()
    with trio.fail_after(20):
        while len(got) < count:
            await trio.lowlevel.wait_readable(terminal)
            got += os.read(terminal, min(chunk, count - len(got)))
    return bytes(got)


@given(data=st.binary(max_size=5000), speed=st.sampled_from([0.5, 1.0, 7.0]))
def test_without_timing_bytes_come_at_the_baud_rate(data: bytes, speed: float) -> None:
    player = replay_player(Recording(data, None, {}), baud=9600, speed=speed, loop=False, now=100.0)
    said = spoken(player)
    assert b"".join(piece for _, piece in said) == data
    done = 0
    for at, piece in said:
        done += len(piece)
        assert done <= (at - 100.0) * speed * 960 + 11


@given(
    pieces=st.lists(st.tuples(st.floats(0, 50), st.binary(max_size=20)), max_size=30),
    speed=st.sampled_from([0.25, 1.0, 4.0]),
)
def test_recorded_timing_is_obeyed(pieces: list[tuple[float, bytes]], speed: float) -> None:
    pieces.sort(key=lambda piece: piece[0])
    data = b"".join(piece for _, piece in pieces)
    timing = tuple((at, len(piece)) for at, piece in pieces)
    player = replay_player(Recording(data, timing, {}), baud=115200, speed=speed, loop=False, now=5.0)
    received = b""
    for at, _ in pieces:
        before = player.on_deadline(5.0 + at / speed - 0.001)
        received += before + player.on_deadline(5.0 + at / speed + 0.001)
        assert len(received) >= sum(len(piece) for t, piece in pieces if t <= at)
        assert len(received) <= sum(len(piece) for t, piece in pieces if t <= at + 0.002 * speed)
    assert received == data
    assert player.deadline is None


def test_loop_repeats_after_one_pass() -> None:
    recording = Recording(b"abcdef", ((0.0, 3), (2.0, 3)), {})
    player = replay_player(recording, baud=10, speed=1.0, loop=True, now=0.0)
    said = spoken(player, until=11.0)
    assert said == [(0.0, b"abc"), (2.0, b"def"), (5.0, b"abc"), (7.0, b"def"), (10.0, b"abc")]


def test_an_empty_recording_ends_at_once_even_in_a_loop() -> None:
    assert replay_player(Recording(b"", (), {}), baud=10, speed=0.0, loop=True, now=0.0).deadline is None


@settings(max_examples=20, deadline=None)
@given(data=st.binary(max_size=100_000), chunk=st.integers(1, 65536))
def test_as_fast_as_read_the_bytes_are_the_files_for_any_reader(
    data: bytes, chunk: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("replay") / "board.raw"
    path.write_bytes(data)
    chunk = max(chunk, len(data) // 500)

    async def run() -> None:
        async with open_replay(path, baud=115200, speed=0, loop=False) as terminal_path:
            terminal = os.open(terminal_path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            try:
                assert await read_exactly(terminal, len(data), chunk=chunk) == data
                await trio.testing.wait_all_tasks_blocked(0.001)
                with pytest.raises(BlockingIOError):
                    os.read(terminal, 1)
            finally:
                os.close(terminal)

    trio.run(run)


async def test_a_board_outlives_being_closed_and_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "board.raw"
    path.write_bytes(bytes(range(256)) * 800)
    received = b""
    async with open_replay(path, baud=115200, speed=0, loop=False) as terminal_path:
        for part in (70_000, 70_000, 64_800):
            terminal = os.open(terminal_path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            received += await read_exactly(terminal, part)
            os.close(terminal)
    assert received == path.read_bytes()


async def test_what_is_written_to_the_board_is_taken_and_not_echoed(tmp_path: Path) -> None:
    path = tmp_path / "board.raw"
    path.write_bytes(b"only this")
    async with open_replay(path, baud=115200, speed=0, loop=False) as terminal_path:
        terminal = os.open(terminal_path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        rest = memoryview(b"x" * 300_000)
        with trio.fail_after(20):
            while rest:
                await trio.lowlevel.wait_writable(terminal)
                rest = rest[os.write(terminal, rest) :]
        assert await read_exactly(terminal, 9) == b"only this"
        with pytest.raises(BlockingIOError):
            os.read(terminal, 1)
        os.close(terminal)


async def test_time_passes_at_the_given_speed(autojump_clock: trio.testing.MockClock, tmp_path: Path) -> None:
    path = tmp_path / "board.raw"
    path.write_bytes(b"onetwo")
    path.with_suffix(".json").write_text(json.dumps({"timing_ms_len": [[0, 3], [60_000, 3]], "note": "x"}))
    # A terminal hands its bytes over a moment later.
    autojump_clock.autojump_threshold = 0.1
    started_at = trio.current_time()
    async with open_replay(path, baud=115200, speed=10, loop=False) as terminal_path:
        terminal = os.open(terminal_path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        assert await read_exactly(terminal, 6) == b"onetwo"
        os.close(terminal)
    assert trio.current_time() - started_at == pytest.approx(6.0, abs=0.5)


def test_a_missing_file_is_said_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match=r"Cannot read the transcript .*nothing\.raw: No such file"):
        load_recording(tmp_path / "nothing.raw")


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ("{", r"board\.json: Input data was truncated"),
        ('{"timing_ms_len": 5}', r"board\.json: Expected `array"),
        ('{"timing_ms_len": [[0, 2]]}', r"board\.json is for 2 bytes but .*board\.raw has 3"),
        ('{"timing_ms_len": [[5, 2], [4, 1]]}', r"board\.json runs backwards at byte 2"),
        ('{"timing_ms_len": [[0, 4], [4, -1]]}', r"board\.json runs backwards at byte 4"),
    ],
)
def test_bad_timing_is_said_with_the_files_name(tmp_path: Path, description: str, message: str) -> None:
    (tmp_path / "board.raw").write_bytes(b"abc")
    (tmp_path / "board.json").write_text(description)
    with pytest.raises(SimulationError, match=message):
        load_recording(tmp_path / "board.raw")


def test_a_json_file_without_timing_means_the_baud_rate(tmp_path: Path) -> None:
    (tmp_path / "board.raw").write_bytes(b"abc")
    (tmp_path / "board.json").write_text('{"note": "somebody else\'s"}')
    assert load_recording(tmp_path / "board.raw").timing is None


@pytest.mark.parametrize("speed", [-1.0, float("nan"), float("inf")])
def test_a_speed_that_is_none_is_refused(speed: float) -> None:
    with pytest.raises(SimulationError, match="is not 0 or more"):
        replay_player(Recording(b"x", None, {}), baud=115200, speed=speed, loop=False, now=0.0)
