"""Builds the firmware, runs it in QEMU, types, and writes the recordings that esperd ships.

Usage, in the repository's folder: ``python -m firmware.record [NAME...]``. Without names all recordings are made
again, and the ELF file is replaced.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from firmware.emulator import Scenario, Session, run_firmware
from firmware.image import build

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Segments = dict[str, tuple[int, int]]

HERE = Path(__file__).resolve().parent
RECORDINGS = HERE.parent / "esperd" / "simulation" / "recordings"

PROMPT = rb"\r\nesp> "
PRESS_ENTER = rb"Press Enter to print core dump to UART\.\.\.\x1b\[0m\r\n"
REBOOTING = rb"Rebooting\.\.\.\r\n"
READY = rb"Type 'help' to get the list of commands\.\r\n"
RESTORED = rb"samples restored\x1b\[0m\r\n"
SENSOR = rb"sensor: temperature[^\n]*\n"
IDLE_LINES = 7


async def _panic(session: Session, segments: Segments, name: str, start: int) -> int:
    """Note the panic and the core dump that follow byte ``start``; returns the end."""
    prompted = (await session.wait_for(PRESS_ENTER, after=start)).end()
    ended = (await session.wait_for(REBOOTING, after=prompted)).end()
    segments[f"{name}_panic"] = (start, prompted)
    segments[f"{name}_dump"] = (prompted, ended)
    return ended


async def _boot(session: Session, segments: Segments, name: str, start: int) -> int:
    """Note the boot that begins at byte ``start``; returns its end, which is before the prompt."""
    ended = (await session.wait_for(READY + rb".*?" + RESTORED, after=start)).end()
    # The sensor has the higher priority: its first line stands before the first prompt.
    segments[name] = (start, ended)
    return ended


async def record_crash(session: Session, segments: Segments) -> None:
    """Crashes by itself, twice."""
    at = await _boot(session, segments, "boot", 0)
    at = (await session.wait_for(rb"esp> \r\n(?=\x1b\[0;32mI \(\d+\) settings)", after=at)).end()
    at = await _panic(session, segments, "crash", at)
    at = await _boot(session, segments, "boot_after_panic", at)
    at = (await session.wait_for(PRESS_ENTER + rb".*" + REBOOTING, after=at)).end()
    await session.wait_for(SENSOR, after=at)


async def record_reset_in_dump(session: Session, segments: Segments) -> None:
    """The board is reset from outside in its first core dump; the second one is whole."""
    at = await _boot(session, segments, "boot", 0)
    prompted = (await session.wait_for(PRESS_ENTER, after=at)).end()
    # Some 60 full lines into the dump; where in a line the reset comes is up to chance and checked below.
    started = (await session.wait_for(rb"CORE DUMP START[^\n]*\n", after=prompted)).end()
    await session.wait_for(rb".{5003}", after=started)
    await session.reset_from_outside()
    banner = (await session.wait_for(rb"ESP-ROM:", after=started)).start()
    if session.data[banner - 1] == ord("\n"):
        raise SystemExit("The reset came between two lines. Run it again.")
    segments["dump_cut"] = (prompted, banner)
    at = await _boot(session, segments, "boot_after_reset", banner)
    ended = (await session.wait_for(REBOOTING, after=at)).end()
    await session.wait_for(SENSOR, after=ended)


async def record_no_end(session: Session, segments: Segments) -> None:
    """The core dump stops for ever."""
    at = await _boot(session, segments, "boot", 0)
    prompted = (await session.wait_for(PRESS_ENTER, after=at)).end()
    await session.wait_for(rb"CORE DUMP START", after=prompted)
    await trio.sleep(4)  # the recording is to show the silence
    segments["dump_no_end"] = (prompted, len(session.data))


async def record_chatty(session: Session, segments: Segments) -> None:
    """Log lines of all levels, without end."""
    at = await _boot(session, segments, "boot", 0)
    await trio.sleep(20)
    end = session.data.rindex(b"\n") + 1
    segments["idle"] = (at, end)


async def _answer(session: Session, segments: Segments, command: str) -> None:
    before = await session.send(command + "\r")
    echo = (await session.wait_for(re.escape(command.encode()) + rb"\r\n", after=before)).end()
    answered = (await session.wait_for(rb"\nesp> ", after=echo - 1)).start() + 1
    segments[f"answer_{command.partition(' ')[0]}"] = (echo, answered)


async def record_console(session: Session, segments: Segments) -> None:
    """Nobody types for a while, then every command is typed."""
    at = await _boot(session, segments, "boot", 0)
    last = (await session.wait_for(rb"(?:.*?" + SENSOR + rb"){%d}" % IDLE_LINES, after=at)).end()
    segments["idle"] = (at, last)
    # Typed right behind a line of the sensor's, so that the next one does not come into an answer.
    for command in ("help", "tasks", "status", "unheard_of", "echo spoken to"):
        await _answer(session, segments, command)
    for command in ("crash", "abort", "assert"):
        before = await session.send(command + "\r")
        start = (await session.wait_for(command.encode() + rb"\r\n", after=before)).end()
        ended = await _panic(session, segments, command, start)
        at = await _boot(session, segments, "boot_after_panic", ended)
        await session.wait_for(SENSOR, after=at)
    before = await session.send("restart\r")
    start = (await session.wait_for(rb"restart\r\n", after=before)).end()
    banner = (await session.wait_for(rb"ESP-ROM:", after=start)).start()
    segments["restart"] = (start, banner)
    at = await _boot(session, segments, "boot_after_restart", banner)
    await session.wait_for(SENSOR, after=at)


SCRIPTS: dict[str, tuple[Scenario, Callable[[Session, Segments], Awaitable[None]]]] = {
    "crash": (Scenario.CRASH, record_crash),
    "reset-in-dump": (Scenario.CRASH, record_reset_in_dump),
    "no-end": (Scenario.NO_END, record_no_end),
    "chatty": (Scenario.CHATTY, record_chatty),
    "console": (Scenario.CONSOLE, record_console),
}


async def record(name: str, elf: Path, elf_sha256: str) -> None:
    """Make the recording ``name`` and write it."""
    scenario, script = SCRIPTS[name]
    segments: Segments = {}
    async with run_firmware(elf, scenario) as session:
        await script(session, segments)
        length = len(session.data)
    timing = _cut(session.timing_ms_len, length)
    description = {
        "note": " ".join((script.__doc__ or "").split()),
        "elf_sha256": elf_sha256,
        "sent": session.sent,
        "segments": segments,
        "timing_ms_len": timing,
    }
    (RECORDINGS / f"{name}.raw").write_bytes(session.data[:length])
    (RECORDINGS / f"{name}.json").write_text(json.dumps(description, separators=(",", ":")) + "\n")
    print(f"{name}: {length} bytes, {timing[-1][0] / 1000:.1f} s, segments: {', '.join(segments)}")


def _cut(timing: list[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    """The part of ``timing`` that covers the first ``length`` bytes."""
    kept: list[tuple[int, int]] = []
    for at_ms, count in timing:
        if length:
            kept.append((at_ms, min(count, length)))
            length -= kept[-1][1]
    return kept


async def main(names: list[str]) -> None:
    """Build, then record one after the other: recordings made side by side would disturb each other's timing."""
    RECORDINGS.mkdir(exist_ok=True)
    elf = build(HERE, HERE / "build")
    elf_sha256 = hashlib.sha256(await trio.Path(elf).read_bytes()).hexdigest()
    for name in names or list(SCRIPTS):
        await record(name, elf, elf_sha256)
    shutil.copyfile(elf, RECORDINGS / "greenhouse.elf")


if __name__ == "__main__":
    trio.run(main, sys.argv[1:])
