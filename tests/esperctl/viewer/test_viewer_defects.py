"""A defect of the viewer itself: the terminal is restored, and the user gets a sentence instead of a traceback."""

import sys
from pathlib import Path
from typing import Final

import pytest
import trio

from esperctl.errors import FailedError
from esperctl.viewer.crash_file import crashed
from esperd.testing.daemon import Bench
from esperd.testing.screen import Screen, ScreenError, open_screen

# `esperctl attach` with a defect that shows when the boards are asked for.
_PROGRAM: Final = """
import sys
from esperctl import cli
from esperctl.viewer.connection import executor
def broken(self, *arguments):
    raise ZeroDivisionError("planted \\x1b[31m")
executor.Executor._message = broken
sys.argv = ["esperctl", "--socket", sys.argv[1], "attach"]
sys.exit(cli.main())
"""


@pytest.mark.slow
async def test_a_defect_restores_the_terminal_and_says_where_its_traceback_is(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    bench = Bench(tmp_path, nursery)
    daemon = await bench.start("b=sim:console")
    state = tmp_path / "home-state"
    environment = {"XDG_STATE_HOME": str(state), "XDG_CONFIG_HOME": str(tmp_path)}
    command = [sys.executable, "-c", _PROGRAM, str(daemon.socket)]
    async with open_screen(command, columns=160, rows=24, environment=environment) as screen:
        before = screen.terminal_settings
        await screen.wait_for(" DEVICE ")
        # The picker asks for the boards.
        await screen.press(b"\x14")
        await screen.wait_for(" HOST ")
        await screen.press(b"g")
        assert await screen.wait_for_end() == 1
        assert screen.terminal_settings == before
        said = screen.output.rpartition(b"\x1b[?1049l")[2].decode()
        assert "esperctl: the viewer ended by a defect of its own: ZeroDivisionError: planted ␛[31m" in said
        file = state / "esperctl" / "viewer-crash.txt"
        assert f"hint: {file} has the traceback" in said
        assert "Traceback" not in said
        traceback = await trio.Path(file).read_text("utf-8")
        assert "Traceback" in traceback
        assert "in broken" in traceback
    await bench.aclose()


def test_of_a_group_the_first_error_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    error = ExceptionGroup("all", [ExceptionGroup("some", [KeyError("first"), OSError("second")])])
    refused = crashed(error)
    assert (refused.message, refused.exit_code) == (
        "the viewer ended by a defect of its own: KeyError: 'first'",
        FailedError.exit_code,
    )
    text = (tmp_path / "esperctl" / "viewer-crash.txt").read_text("utf-8")
    assert "KeyError: 'first'" in text
    assert "OSError: second" in text


def test_without_a_place_for_its_file_a_defect_is_told_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "esperctl").write_text("in the way")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    refused = crashed(ZeroDivisionError("planted"))
    assert refused.message.endswith("ZeroDivisionError: planted")
    assert refused.hint is not None
    assert "can't be kept" in refused.hint


async def _open(tmp_path: Path, program: str) -> tuple[Screen, float, str]:
    async with open_screen([sys.executable, "-c", program], columns=80, rows=24, environment={}, folder=tmp_path) as it:
        began = trio.current_time()
        with pytest.raises(ScreenError) as told:
            await it.wait_for("what never comes")
        return it, trio.current_time() - began, str(told.value)


async def test_a_program_that_ended_is_not_waited_for(tmp_path: Path) -> None:
    screen, took_s, told = await _open(tmp_path, "print('last words'); raise SystemExit(7)")
    assert took_s < 10
    assert "ended with 7 before ('what never comes',) appeared" in told
    assert "last words" in screen.text
