"""Measurements without a load: doing nothing, starting, and one command of the client."""

import os
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks import processes
from benchmarks.consumers import accepts, daemon, esperd, open_terminals, spawned, wait_until
from benchmarks.loads import Metrics
from benchmarks.streams import drain

_BAUD: Final = 115_200
# Twice as often as the shortest start could differ in the table.
_POLL_S: Final = 0.002
_START_TIMEOUT_S: Final = 10.0


def idle(directory: Path, rest_s: float, seconds: float) -> Metrics:
    """The daemon with a silent port and a viewer: ``wakeups_per_s`` and ``cpu_ms_per_s``.

    Args:
        directory: For its files.
        rest_s: Before counting. The sync of the first events is over after 1 s, and the thread that did it after 10 s;
            counting is either over before that end, or begins after it.
        seconds: How long is counted.
    """
    with open_terminals(1) as terminals, esperd(1, _BAUD)(terminals, directory) as running:
        drain(running.receivers, lambda: False, rest_s)
        switches, cpu = processes.context_switches(running.pid), processes.cpu_ns(running.pid)
        drain(running.receivers, lambda: False, seconds)
        return {
            "wakeups_per_s": processes.wakeups(switches, processes.context_switches(running.pid)) / seconds,
            "cpu_ms_per_s": (processes.cpu_ns(running.pid) - cpu) / 1e6 / seconds,
            "peak_mb": processes.peak_memory_mb(running.pid),
        }


def daemon_start(directory: Path) -> Metrics:
    """From the start of the process until its socket accepts: ``cpu_ms`` and ``wall_ms``."""
    with open_terminals(1) as terminals, tempfile.TemporaryDirectory(dir=directory) as scratch:
        command = [sys.executable, "-m", "esperd", f"board0={terminals[0].path}", "--log-level", "warning"]
        command += ["--state-dir", f"{scratch}/state", "--runtime-dir", f"{scratch}/run"]
        path = Path(scratch) / "run" / "board0.sock"
        started = time.monotonic()
        with spawned(command, stdin=subprocess.DEVNULL) as process:
            while not accepts(path):
                if time.monotonic() > started + _START_TIMEOUT_S:
                    raise TimeoutError("esperd did not start")
                select.select([], [], [], _POLL_S)
            wall_s = time.monotonic() - started
            return {"cpu_ms": processes.cpu_ns(process.pid) / 1e6, "wall_ms": wall_s * 1000}


def python_start(code: str) -> Metrics:
    """An interpreter that runs *code* and ends."""
    return _timed([sys.executable, "-c", code])


def one_shot(directory: Path) -> Metrics:
    """``esperctl boards`` beside a running daemon."""
    with (
        open_terminals(1) as terminals,
        tempfile.TemporaryDirectory(dir=directory) as scratch,
        daemon(terminals, Path(scratch), _BAUD) as (_, path),
    ):
        wait_until(lambda: accepts(path), "the start of esperd")
        command = [sys.executable, "-m", "esperctl", "--socket", str(path), "boards"]
        # Once before, so that it is compiled.
        _timed(command)
        return _timed(command)


def journal_probe() -> Metrics:
    """The journal without a daemon, in its own process (see journal_probe.py)."""
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.journal_probe"], check=True, capture_output=True, text=True
    )
    names = ("append_ms_per_mb", "raw_write_ms_per_mb", "raw_replay_ms_per_mb", "decoded_replay_ms_per_mb")
    return dict(zip(names, map(float, result.stdout.split()), strict=True))


def _timed(command: list[str]) -> Metrics:
    started = time.monotonic()
    pid = os.posix_spawn(
        command[0],
        command,
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, usage = os.wait4(pid, 0)
    wall_s = time.monotonic() - started
    if status:
        raise RuntimeError(f"{command} failed with status {os.waitstatus_to_exitcode(status)}")
    return {"cpu_ms": (usage.ru_utime + usage.ru_stime) * 1000, "wall_ms": wall_s * 1000}
