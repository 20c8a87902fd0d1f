"""A simulated board crashes; its core dump is captured while two viewers watch. Takes 15 seconds, leaves nothing.

Everything shown is the output of ordinary commands, which are named before they run.
"""

import json
import os
import re
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

BIN: Final = Path(sys.executable).parent
ENDPOINT: Final = "board1=sim:crash"
DEADLINE_S: Final = 20.0
STACK_MEMORY: Final = re.compile(r" [0-9a-f]{8}: 0x")
SHOWN_STACK_LINES: Final = 3
SHOWN_FIELDS: Final = (
    "id",
    "reset_reason",
    "cause",
    "reason",
    "capture",
    "decoded_bytes",
    "expected_bytes",
    "checksum",
    "text",
)
COLOURS: Final = {"viewer 1": "36", "viewer 2": "35"}


@dataclass(slots=True)
class Viewer:
    """A client whose output is shown, and the line it has not finished."""

    name: str
    output: IO[bytes]
    pending: bytes = b""


class Demo:
    """Runs the commands in a temporary directory and shows what they say."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._environment = os.environ | {"ESPER_SOCKET": str(directory / "run" / "board1.sock")}
        self._selector = selectors.DefaultSelector()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._width = shutil.get_terminal_size((120, 24)).columns
        self._deadline = time.monotonic() + DEADLINE_S
        self._stack_lines = 0

    def start_daemon(self) -> None:
        """Starts esperd and waits for its socket."""
        state, runtime = self._directory / "state", self._directory / "run"
        self._say(f"$ esperd '{ENDPOINT}' &")
        self._spawn("esperd", ENDPOINT, "--state-dir", str(state), "--runtime-dir", str(runtime), quiet=True)
        self._wait_until((runtime / "board1.sock").exists)

    def start_viewer(self, name: str, *arguments: str) -> None:
        """Starts a client whose lines are shown with its name before them."""
        self._say(
            f"$ esperctl {' '.join(arguments)}    # {name}{', its JSON in short' if 'events' in arguments else ''}"
        )
        process = self._spawn("esperctl", *arguments)
        if process.stdout is not None:
            os.set_blocking(process.stdout.fileno(), False)
            self._selector.register(process.stdout, selectors.EVENT_READ, Viewer(name, process.stdout))

    def run(self, *arguments: str) -> str:
        """Runs a one-shot client and shows its output."""
        self._say(f"$ esperctl {' '.join(arguments)}")
        done = subprocess.run(
            [BIN / "esperctl", *arguments], env=self._environment, capture_output=True, text=True, check=True
        )
        sys.stdout.write(done.stdout)
        return done.stdout

    def show_until(self, text: str) -> None:
        """Shows what the viewers say until one of them says *text*."""
        self._wait_until(lambda: self._show(text))

    def list_files(self) -> None:
        """Shows what is stored."""
        self._say("$ ls coredumps/*")
        for path in sorted((self._directory / "state" / "coredumps").glob("*/*")):
            sys.stdout.write(f"{path.stat().st_size:>8}  {path.parent.name}/{path.name}\n")

    def stop(self) -> None:
        """Ends what was started, viewers first."""
        for process in reversed(self._processes):
            process.terminate()
            process.wait(5)

    def _spawn(self, program: str, *arguments: str, quiet: bool = False) -> subprocess.Popen[bytes]:
        errors = subprocess.DEVNULL if quiet else subprocess.STDOUT
        process = subprocess.Popen(
            [BIN / program, *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        self._processes.append(process)
        return process

    def _wait_until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            if time.monotonic() > self._deadline:
                raise TimeoutError(f"the demo took more than {DEADLINE_S:g} s")
            self._selector.select(0.05)

    def _show(self, text: str) -> bool:
        seen = False
        for key, _ in self._selector.select(0.05):
            viewer: Viewer = key.data
            data = viewer.output.read(65536)
            if not data:
                raise RuntimeError(f"{viewer.name} ended: {viewer.pending.decode(errors='replace')}")
            *lines, viewer.pending = (viewer.pending + data).split(b"\n")
            for line in lines:
                shown = line.decode(errors="replace").rstrip()
                seen = seen or text in shown
                self._show_line(viewer.name, shown)
        return seen

    def _show_line(self, name: str, line: str) -> None:
        if line.startswith("{"):
            line = _shortened(line)
        if STACK_MEMORY.search(line):
            self._stack_lines += 1
            if self._stack_lines > SHOWN_STACK_LINES:
                return
        elif self._stack_lines:
            hidden, self._stack_lines = self._stack_lines - SHOWN_STACK_LINES, 0
            self._show_line(name, f"             (and {hidden} more lines of stack memory)")
        line = line[: self._width - len(name) - 4]
        prefix = f"\x1b[{COLOURS[name]}m{name} |\x1b[0m" if self._colour else f"{name} |"
        sys.stdout.write(f"{prefix} {line}\n")
        sys.stdout.flush()

    def _say(self, text: str) -> None:
        sys.stdout.write(f"\n\x1b[1m{text}\x1b[0m\n" if self._colour else f"\n{text}\n")
        sys.stdout.flush()


def _shortened(event: str) -> str:
    """An event's kind and a few of its fields, from its JSON."""
    fields = json.loads(event)
    chosen = [f"{name}={fields[name]}" for name in SHOWN_FIELDS if fields.get(name) is not None]
    return f"{fields['at'][11:23]} {fields['kind']}: {' '.join(chosen)}"


def main() -> None:
    """Tells the story."""
    with tempfile.TemporaryDirectory(prefix="esperd-demo-") as directory:
        demo = Demo(Path(directory))
        try:
            demo.start_daemon()
            demo.start_viewer("viewer 1", "attach", "board1", "--after", "0", "--dump", "hide")
            kinds = ("boot", "panic", "coredump_started", "coredump_progress", "coredump_ended", "tx")
            demo.start_viewer("viewer 2", "events", "board1", "-f", *(f"--kind={kind}" for kind in kinds))
            demo.show_until("Type 'help'")
            demo.run("send", "board1", "status")
            demo.show_until("Free heap")
            demo.run("send", "board1", "crash")
            demo.show_until('"kind":"coredump_ended"')
            demo.show_until("rst:0x")
            demo.show_until("decoded board1-1")
            dumps = demo.run("coredumps", "list")
            demo.run("coredumps", "info", dumps.split("\n")[1].split()[0])
            demo.list_files()
        finally:
            demo.stop()
    sys.stdout.write("\nThe board crashed, everyone saw it, and the dump is on disk. Nothing of this demo is left.\n")


if __name__ == "__main__":
    main()
