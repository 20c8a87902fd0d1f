"""Decoders of our own in the place of the real one, and what their processes leave behind."""

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import trio

from esperd.testing.daemon import Daemon
from esperd.testing.processes import is_running


def configure(folder: Path, program: str) -> tuple[str, str]:
    """A decoder for ``--config``: *program* knows ``request`` and the ``number`` of the dump."""
    script = folder / "decoder.py"
    start = "import json, os, re, signal, subprocess, sys, time\nrequest = json.loads(sys.stdin.readline())\n"
    number = "number = int(re.search(r'-(\\d+)/core', request['dump'])[1])\n"
    script.write_text(start + number + program, "utf-8")
    path = folder / "esperd.toml"
    path.write_text(f"[decode]\ncommand = {json.dumps([sys.executable, str(script)])}\n", "utf-8")
    return "--config", str(path)


def states(daemon: Daemon) -> list[str]:
    """What the records on disk say of the decodes, by the number of the dump."""
    folders = (daemon.state_dir / "coredumps").glob("b-*")
    records = [json.loads((folder / "record.json").read_bytes()) for folder in folders]
    return [record["decode"]["state"] for record in sorted(records, key=lambda record: int(record["id"][2:]))]


def processes_of(pid: int) -> list[int]:
    """The descendants of a process."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text("ascii").split()):
            found += [child, *processes_of(child)]
    return found


def processes_with(text: str) -> list[int]:
    """All processes, whoever's they are, that have *text* in their environment, and so in that of who started them."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if text.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


async def until(condition: Callable[[], bool], timeout_s: float) -> None:
    """Waits for what nobody tells us: the children of other processes, and files."""
    with trio.fail_after(timeout_s):
        while not condition():  # noqa: ASYNC110 - see above
            await trio.sleep(0.01)


async def ended(pids: Iterable[int]) -> None:
    """Waits for the end of processes that were killed."""
    await until(lambda: not any(map(is_running, pids)), 1)
