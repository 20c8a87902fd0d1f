"""What the tests in the container do to it: commands, units, and boards that are pseudo-terminals."""

import contextlib
import fcntl
import grp
import json
import os
import pty
import subprocess
import termios
import time
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

BIN: Final = Path("/opt/esperd/bin")
UNITS: Final = Path("/etc/systemd/system")
TIMEOUT_S: Final = 20.0


def run(*command: str | Path, check: bool = True, **environment: str) -> str:
    """What a command says, on both of its outputs."""
    done = subprocess.run(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=90,
        check=False,
        env=os.environ | environment,
    )
    if check:
        assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stdout}"
    return done.stdout


def wait_until(what: str, is_so: Callable[[], bool], timeout_s: float = TIMEOUT_S) -> None:
    """Looks again and again: systemd has no blocking question for most of what is waited for here."""
    end = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < end, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.05)  # noqa: TID251 - a test of other processes, without an event loop


class Unit:
    """A unit, by its name; *manager* is ``--user`` for those of a user."""

    def __init__(self, name: str, manager: str = "--system") -> None:
        self.name = name
        self.manager = manager

    def systemctl(self, verb: str, *, check: bool = True) -> str:
        return run("systemctl", self.manager, verb, self.name, check=check)

    def show(self, key: str) -> str:
        return run("systemctl", self.manager, "show", "--value", "--property", key, self.name).strip()

    @property
    def state(self) -> str:
        return self.show("ActiveState")

    @property
    def pid(self) -> int:
        return int(self.show("MainPID"))

    @property
    def status(self) -> str:
        """What the daemon said of itself."""
        return self.show("StatusText")

    def wait_for_status(self, words: str) -> None:
        wait_until(f"{self.name} says {words}", lambda: words in self.status)

    def wait_for_restart(self, old_pid: int) -> None:
        wait_until(
            f"{self.name} is started again",
            lambda: self.show("SubState") == "running" and self.pid not in {0, old_pid},
        )


class Board:
    """A board that the test plays; ``/dev/NAME`` is its port."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.link = Path("/dev") / name
        self.controller, self._terminal = pty.openpty()
        tty.setraw(self._terminal)
        path = os.ttyname(self._terminal)
        os.chown(path, 0, grp.getgrnam("dialout").gr_gid)
        os.chmod(path, 0o660)  # noqa: PTH101 - as udev does it for serial ports
        self.link.parent.mkdir(parents=True, exist_ok=True)
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(path)

    def say(self, text: bytes) -> None:
        """Prints; the daemon empties it meanwhile."""
        while text:
            text = text[os.write(self.controller, text[:2048]) :]

    def give_back(self) -> None:
        """Unlike a device, a pseudo-terminal stays exclusive when whoever held it was killed."""
        fcntl.ioctl(self._terminal, termios.TIOCNXCL)

    def unplug(self) -> None:
        self.link.unlink(missing_ok=True)
        for descriptor in (self._terminal, self.controller):
            with contextlib.suppress(OSError):
                os.close(descriptor)


def esperctl(*words: str, check: bool = True) -> str:
    return run(BIN / "esperctl", *words, check=check)


def esperctl_json(*words: str) -> Any:  # noqa: ANN401 - any document
    return json.loads(run(BIN / "esperctl", "--json", *words))


def board_state(name: str) -> str | None:
    """Of a board of any daemon that runs."""
    try:
        boards = esperctl_json("boards")
    except AssertionError:
        return None  # no daemon runs
    return next((board["state"] for board in boards if board["board"] == name), None)


class Viewer:
    """``esperctl attach`` in a pipe, which is collected in a file."""

    def __init__(self, folder: Path, *words: str) -> None:
        self._output = folder / "viewer"
        with self._output.open("wb") as file:
            command = [str(BIN / "esperctl"), "attach", "--after", "0", *words]
            self._process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)

    @property
    def text(self) -> str:
        return self._output.read_text("utf-8", "replace")

    def wait_for(self, words: str) -> None:
        wait_until(f"the viewer shows {words}", lambda: words in self.text)

    def close(self) -> None:
        self._process.kill()
        self._process.wait(TIMEOUT_S)
