"""A page's commands, run one after the other as its reader would, and their output held against what is shown.

* A ``console`` block has commands (``$ …``) and, below each, what it prints: standard output and error. A line ``...``
  stands for any lines, ``…`` in a line for any text. What differs from run to run (times, process ids,
  pseudo-terminals, positions, measured durations, the home directory) is made equal on both sides.
* ``^C`` as the last line: the command goes on, until the reader stops it.
* ``esperd …`` goes on until the end of the page.
* A question that is asked again costs nothing: where a command only shows something, it is asked until it shows what it
  should, for as long as a reader would take to go on.
* ``$ echo $?`` shows how the command before it ended; elsewhere a command has to fail where it prints an error, and to
  end well where it does not.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio

from tests.docs.command_words import Shown
from tests.docs.pages import ROOT

if TYPE_CHECKING:
    from tests.docs.pages import Block

PATIENCE_S: Final = 20
_TIMEOUT_S: Final = 40
# What a daemon logs when it serves.
_STARTED: Final = " started pid="
_INTERRUPTED: Final = "^C"
_SHOWS: Final = re.compile(
    r"(esperctl (boards|list|status|logs|events|doctor|(coredumps|elf|config) (list|info|show|check))|ls|cat|grep)\b"
)
_NORMAL: Final = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\x1b\[[0-9;]*m", ""),
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d([.,]\d+)?(Z|[+-]\d\d:\d\d)?", "DATE"),
        (r"\b\d\d:\d\d:\d\d\.\d{3}\b", "TIME"),
        (r"\b[\w-]+ \(pid \d+\)", "USER (pid N)"),
        (r"\b(pid[ =]|process )\d+", r"\1N"),
        (r"/dev/pts/\d+", "/dev/pts/N"),
        (r"\bpanic:\d+", "panic:N"),
        (r"\bpositions \d+ to \d+", "positions N to N"),
        (r'("(?:\w+_)?seq": ?)\d+', r"\1N"),
        (r"\b\d+\.\d+ s\b", "N s"),
        (r"[ \t]+", " "),
        (r" $", ""),
    )
]


def commands_of(block: Block) -> list[Shown]:
    """The commands of a console block, each with the lines below it."""
    found: list[Shown] = []
    text, output, line = "", list[str](), block.line
    for number, shown in enumerate(block.lines, block.line):
        if shown.startswith("$ "):
            if text:
                found.append(Shown(f"{block.page.relative_to(ROOT)}:{line}", text, tuple(output)))
            text, output, line = shown[2:], [], number
        elif text.endswith("\\") and not output:
            text = f"{text[:-1]}{shown.lstrip()}"
        else:
            assert text, f"{block.place}: begins without a command"
            output.append(shown)
    assert text, f"{block.place}: has no command"
    return [*found, Shown(f"{block.page.relative_to(ROOT)}:{line}", text, tuple(output))]


def _serves(shown: Shown) -> bool:
    is_daemon = shown.text.startswith("esperd ") and not shown.text.endswith(("--help", "--version"))
    return is_daemon and not any(line.startswith("esperd: ") for line in shown.output)


def normal(text: str, home: str) -> list[str]:
    """Lines of output, without what differs from run to run."""
    text = text.replace(home, "/home/you").replace(str(ROOT), "/home/you/esperd")
    lines: list[str] = []
    for line in text.splitlines():
        shown = line
        for pattern, replacement in _NORMAL:
            shown = pattern.sub(replacement, shown)
        lines.append(shown)
    return lines


def is_shown(expected: tuple[str, ...], actual: str, home: str) -> bool:
    """Whether *actual* is what the page shows."""
    pattern = ""
    for line in normal("\n".join(expected), home):
        if line == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*".join(map(re.escape, line.split("…"))) + r"\n"
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in normal(actual, home))) is not None


@dataclass
class Reader:
    """Sits in a home directory of its own, and does what the page says."""

    home: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list[subprocess.Popen[bytes]])
    last_code: int = 0

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "ESPER_", "LC_"))}
        return kept | {
            "HOME": str(self.home),
            "XDG_RUNTIME_DIR": str(self.home / ".run"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "TERM": "dumb",
            "COLUMNS": "120",
            "LANG": "C.UTF-8",
            "TZ": "UTC",
        }

    async def carry_out(self, shown: Shown, *, may_fail: bool = False) -> None:
        """Runs it; *may_fail*: how it ends is shown next."""
        if _serves(shown):
            await self._watch(shown, shown.output, until=_STARTED)
        elif shown.output and shown.output[-1] == _INTERRUPTED:
            process = await self._watch(shown, shown.output[:-1])
            self.last_code = await self._interrupt(process)
            assert self.last_code in (0, 130), f"{shown.place}: `{shown.text}` ended with {self.last_code} at Ctrl-C"
        else:
            await self._run(shown, may_fail=may_fail)

    async def leave(self) -> None:
        """Stops what still goes on."""
        for process in reversed(self.running):
            await self._interrupt(process)

    async def _run(self, shown: Shown, *, may_fail: bool) -> None:
        code, done = 0, ""
        give_up_at = trio.current_time() + (PATIENCE_S if _SHOWS.match(shown.text) else 0)
        while True:
            with trio.fail_after(_TIMEOUT_S):
                code, done = await self._output(shown.text)
            if is_shown(shown.output, done, str(self.home)) or trio.current_time() >= give_up_at:
                break
            await trio.sleep(0.2)
        self._compare(shown, shown.output, done)
        expects_error = any(line.startswith(("esperctl: ", "esperd: ")) for line in shown.output)
        self.last_code = code
        assert may_fail or (code != 0) == expects_error, f"{shown.place}: `{shown.text}` ended with {code}"

    async def _output(self, text: str) -> tuple[int, str]:
        done = await trio.run_process(
            ["bash", "-c", f"(exit {self.last_code}); {text}"],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            capture_stdout=True,
            check=False,
            cwd=self.home,
            env=self.environment,
        )
        return done.returncode, done.stdout.decode("utf-8", "replace")

    async def _watch(self, shown: Shown, expected: tuple[str, ...], until: str = "") -> subprocess.Popen[bytes]:
        path = self.home.parent / f"output-{len(self.running)}"
        with path.open("wb") as output:
            process = subprocess.Popen(  # noqa: ASYNC220 - does not wait
                ["bash", "-c", f"exec {shown.text.removesuffix('&')}"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.home,
                env=self.environment,
            )
        self.running.append(process)
        with trio.move_on_after(PATIENCE_S):
            while until not in path.read_text("utf-8", "replace") or not is_shown(
                expected, path.read_text("utf-8", "replace"), str(self.home)
            ):
                if process.poll() is not None:
                    break
                await trio.sleep(0.1)
        self._compare(shown, expected, path.read_text("utf-8", "replace"))
        return process

    async def _interrupt(self, process: subprocess.Popen[bytes]) -> int:
        process.send_signal(signal.SIGINT)
        self.running = [other for other in self.running if other is not process]
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(process.wait, _TIMEOUT_S)
        return process.wait()

    def _compare(self, shown: Shown, expected: tuple[str, ...], actual: str) -> None:
        assert is_shown(expected, actual, str(self.home)), (
            f"{shown.place}: `{shown.text}` shows something else.\n--- the page:\n"
            + "\n".join(expected)
            + f"\n--- the command:\n{actual.replace(str(self.home), '/home/you')}"
        )
