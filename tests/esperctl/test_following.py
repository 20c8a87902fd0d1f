"""What follows a board goes on over restarts of its daemon."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import msgspec
import pytest
import trio

from esper_protocol.events import Gap, Line, Note
from esper_protocol.messages import Subscribe

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from typing import IO

    from tests.esperctl.conftest import Esperctl, FakeDaemon

    Follower = Callable[..., subprocess.Popen[bytes]]

FOLLOWING = [("logs", "-f"), ("events", "-f"), ("attach",)]


async def read_until(stream: IO[bytes] | None, expected: bytes) -> bytes:
    """Reads until *expected* has come, and returns all that came."""
    assert stream is not None
    seen = b""
    with trio.fail_after(20):
        while expected not in seen:
            await trio.lowlevel.wait_readable(stream)
            block = os.read(stream.fileno(), 65536)
            assert block, f"the stream ended after {seen!r}"
            seen += block
    return seen


async def interrupted(process: subprocess.Popen[bytes]) -> tuple[int, bytes, bytes]:
    process.send_signal(signal.SIGINT)
    with trio.fail_after(20):
        out, err = await trio.to_thread.run_sync(process.communicate, abandon_on_cancel=True)
    return process.returncode, out, err


async def test_a_log_goes_on_behind_its_last_line_when_the_daemon_is_back(
    daemon: FakeDaemon, follower: Follower
) -> None:
    daemon.add(Line(b"one\ntwo", 2, "fragment"))
    daemon.hangs_up_after_history = True
    process = follower("logs", "-f")
    said = await read_until(process.stderr, b"waiting for it ---\n")
    assert said == f"--- the daemon at {daemon.path} went away; waiting for it ---\n".encode()
    daemon.hangs_up_after_history = False
    daemon.add(Gap("daemon_killed", "esperd was killed"), Line(b"three\n", 1))
    out = await read_until(process.stdout, b"three\n")
    assert [line[13:] for line in out.decode().splitlines() if not line.startswith("---")] == ["one", "two", "three"]
    assert b"gap (daemon_killed): esperd was killed" in out

    code, rest, err = await interrupted(process)
    assert (code, rest, err) == (130, b"", b"--- attached to bench1 again ---\n")
    assert await daemon.requested(Subscribe) == [Subscribe("bench1", last_lines=10), Subscribe("bench1", after=2)]


async def test_events_that_came_in_the_absence_are_not_missed(daemon: FakeDaemon, follower: Follower) -> None:
    daemon.add(Note("before", "bob"))
    daemon.hangs_up_after_history = True
    process = follower("events", "-f", "--kind", "note")
    await read_until(process.stderr, b"waiting for it ---\n")
    daemon.add(Note("meanwhile", "bob"), Line(b"a line\n", 1))
    daemon.hangs_up_after_history = False
    await read_until(process.stderr, b"--- attached to bench1 again ---\n")
    await read_until(process.stdout, b'"meanwhile"')
    await daemon.publish(Note("after", "bob"))
    event = msgspec.json.decode(await read_until(process.stdout, b"\n"))
    assert (event["seq"], event["text"]) == (4, "after")


@pytest.mark.parametrize("words", FOLLOWING)
async def test_a_board_that_is_gone_when_the_daemon_is_back_ends_it(
    daemon: FakeDaemon, follower: Follower, words: tuple[str, ...]
) -> None:
    daemon.hangs_up_after_history = True
    process = follower(*words)
    await daemon.requested(Subscribe)
    daemon.boards.clear()
    with trio.fail_after(20):
        _, err = await trio.to_thread.run_sync(process.communicate, abandon_on_cancel=True)
    assert process.returncode == 3
    assert err.endswith(b"esperctl: board bench1 is no longer served by esperd\nhint: see `esperctl boards`\n")


@pytest.mark.parametrize("words", FOLLOWING)
async def test_without_a_daemon_there_is_nothing_to_wait_for(esperctl: Esperctl, words: tuple[str, ...]) -> None:
    done = await esperctl(*words)
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("esperctl: no esperd is running\n")
