"""A board that no daemon runs any more: what it said is on disk, and who asks for it is told where."""

import shlex
import sys
from pathlib import Path

import trio

from esperd.testing.daemon import Bench, Daemon
from esperd.testing.terminal import BoardTerminal


async def logs(daemon: Daemon, board: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "esperctl", "--socket", str(daemon.socket), "logs", board]
    done = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


async def test_its_journal_is_named_and_can_be_read_as_the_hint_says(
    bench: Bench, terminal: BoardTerminal, tmp_path: Path
) -> None:
    before = await bench.start(f"gone={terminal.path}")
    await terminal.send(b"the last words\n")
    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.deadline = trio.current_time() + 20
        while "the last words" not in (await logs(before, "gone"))[1]:
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    await before.stop()
    daemon = await bench.start(f"other={terminal.path}")

    code, _, error = await logs(daemon, "gone")

    assert code == 4
    hint = error.splitlines()[1]
    assert hint.startswith(f"hint: boards: other; its journal is kept in {bench.state_dir}/boards/gone/journal: ")
    _, *words = shlex.split(hint.split("`")[1].replace("PORT", str(tmp_path / "no port")))
    at = words.index("--state-dir")
    assert Path(words.pop(at + 1)) == bench.state_dir
    del words[at]
    again = await bench.start(*words)
    code, out, _ = await logs(again, "gone")
    assert code == 0
    assert "the last words" in out


async def test_of_a_name_that_was_never_a_board_nothing_is_said(bench: Bench, terminal: BoardTerminal) -> None:
    daemon = await bench.start(f"other={terminal.path}")
    for name in ("gone", "../boards/other", ".."):
        code, _, error = await logs(daemon, name)
        assert code == 4
        assert error.splitlines()[1:] == ["hint: boards: other"]
