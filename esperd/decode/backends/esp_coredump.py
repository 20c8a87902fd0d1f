"""Espressif's esp-coredump with its GDB, made safe to use.

The tool takes no text with markers, fails on damaged dumps, and knows some formats only in part; so it gets a dump that
was assembled and checked before: the bare ELF core, or for the binary formats a container of version 0.2, the one that
it reads well. It may also end with exit code 0 and a wrong report: with the wrong program, with a GDB that lacks the
chip's architecture or that answers late (each answer is then taken for that of the next command). Therefore what it
says is compared with what the dump itself says: the threads, and the program counter of the current one.

Source: esp-coredump 1.17, esp_coredump/corefile/{loader,gdb}.py.
"""

import binascii
import dataclasses
import hashlib
import os
import shutil
import struct
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Final

from esper_protocol.records import Machine
from esperd.core.container import CHIP_NAMES
from esperd.decode.backends.backend import Decoded
from esperd.decode.backends.gdb_text import GdbText, GdbThread, parse_gdb_text
from esperd.decode.decoder import decode_core_dump
from esperd.decode.dump import Container, read_dump
from esperd.decode.errors import DecodeError, ElfMismatchError
from esperd.decode.image import CoreImage, read_image
from esperd.decode.report import DecoderReport, ElfMatch, Report, TaskReport
from esperd.decode.request import ESP_COREDUMP, DecodeRequest
from esperd.system.regular_file import check_regular, open_regular

# The tool asks GDB one thing after the other, and takes no answer within this time for an empty one. It waits as long
# for what GDB refuses, which is two questions for each task whose control block can't be read.
_GDB_TIMEOUT_S: Final = 5
_GDB_NAMES: Final[dict[Machine, tuple[str, ...]]] = {
    "xtensa": ("xtensa-esp32-elf-gdb",),
    "riscv": ("riscv32-esp-elf-gdb", "gdb-multiarch"),
}
# Debian's GDB takes the cores for those of Linux, and names their threads so that the tool does not know them.
_WITHOUT_OS: Final = "gdb-multiarch"
_DEFAULT_CHIPS: Final[dict[Machine, str]] = {"xtensa": "esp32", "riscv": "esp32c3"}
_BINARY_0_2: Final = 0x0002
_CONTAINER: Final = struct.Struct("<5I")
_CHECKSUM_BYTES: Final = 4


def find_gdb(machine: Machine, configured: dict[str, str]) -> str | None:
    """The GDB for a machine: the one that is configured, or one on the PATH."""
    if machine in configured:
        return configured[machine]
    return next((found for name in _GDB_NAMES[machine] if (found := shutil.which(name))), None)


class EspCoredumpBackend:
    """Runs the tool as a process of this process's group."""

    name = ESP_COREDUMP

    def unavailable(self, machine: Machine, request: DecodeRequest) -> str | None:
        """It needs a GDB and a folder."""
        if find_gdb(machine, request.gdb) is None:
            names = " or ".join(_GDB_NAMES[machine])
            return f"there is no GDB for {machine}: put {names} on the PATH, or name one in the configuration"
        return "it needs a folder for its temporary files" if request.work_dir is None else None

    def decode(self, data: bytes, elf: Path | None, request: DecodeRequest) -> Decoded:
        """See Backend."""
        started = time.perf_counter()
        container = read_dump(data)
        image = read_image(container)
        if elf is None:
            raise DecodeError("no_elf", "esp-coredump can't decode without the program's ELF file; name it with --elf")
        if reason := self.unavailable(image.machine, request):
            raise DecodeError("unavailable", f"esp-coredump can't be used: {reason}")
        # The tool and its GDB open it again by themselves.
        check_regular(elf)
        gdb, work_dir = find_gdb(image.machine, request.gdb), request.work_dir
        assert gdb is not None and work_dir is not None  # noqa: PT018, S101 - as just checked
        base = _base_report(data, elf, image, request)
        text = _run(container, image, elf, gdb, Path(work_dir))
        found = parse_gdb_text(text)
        _check(found, image)
        return Decoded(_join(base, found, time.perf_counter() - started), text)


def _base_report(data: bytes, elf: Path, image: CoreImage, request: DecodeRequest) -> Report:
    """What needs no GDB: registers, memory, whether the program is the right one."""
    try:
        return decode_core_dump(data, elf, force=request.force)
    except DecodeError:
        raise
    except Exception:  # noqa: BLE001 - this backend is what is left when our own decoder fails on a program
        report = decode_core_dump(data, None)
        return dataclasses.replace(report, elf_path=str(elf), elf_match=_match(elf, image, force=request.force))


def _match(elf: Path, image: CoreImage, *, force: bool) -> ElfMatch:
    if image.app_sha256 is None or not image.app_sha256.strip("0"):
        return "unknown"
    with open_regular(elf) as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256.startswith(image.app_sha256):
        return "sha256"
    if force:
        return "forced"
    raise ElfMismatchError(f"{elf} (SHA-256 {sha256}) is not the program of this dump ({image.app_sha256})")


# Running it -----------------------------------------------------------------------------------------------


def _run(container: Container, image: CoreImage, elf: Path, gdb: str, work_dir: Path) -> str:
    core = work_dir / "core"
    core.write_bytes(container.payload if container.is_elf else _binary_container(container, image))
    command = [sys.executable, "-m", "esp_coredump", "--chip", image.chip or _DEFAULT_CHIPS[image.machine]]
    command += ["--gdb-timeout-sec", str(_GDB_TIMEOUT_S), "info_corefile", "--core", str(core)]
    command += ["--core-format", "elf" if container.is_elf else "raw", "--gdb", _gdb_command(gdb, work_dir), str(elf)]
    output, errors = work_dir / "output", work_dir / "errors"
    environment = os.environ | {"TMPDIR": str(work_dir), "HOME": str(work_dir), "NO_COLOR": "1", "COLUMNS": "1000"}
    environment["PYTHONSAFEPATH"] = "1"  # no module comes from a folder of temporary files
    # Into files, whose size is limited for this process: what GDB floods must not fill our memory. There is no deadline
    # here, because whoever started this process has one, and kills the whole group.
    with output.open("wb") as stdout, errors.open("wb") as stderr:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, cwd=work_dir, env=environment, check=False
        )
    text = output.read_text("utf-8", "backslashreplace")
    if done.returncode:
        raise DecodeError("backend_failed", f"esp-coredump failed: {_reason(errors, text, done.returncode)}")
    return text


def _gdb_command(gdb: str, work_dir: Path) -> str:
    if not gdb.endswith(_WITHOUT_OS):
        return gdb
    wrapper = work_dir / "gdb"
    wrapper.write_text(f"#!/bin/sh\nexec '{gdb}' -iex 'set osabi none' \"$@\"\n", "utf-8")
    wrapper.chmod(0o700)
    return str(wrapper)


def _binary_container(container: Container, image: CoreImage) -> bytes:
    """The payload with the header and the checksum of version 0.2."""
    chip = next((number for number, name in CHIP_NAMES.items() if name == image.chip), 0)
    size = _CONTAINER.size + len(container.payload) + _CHECKSUM_BYTES
    header = _CONTAINER.pack(
        size, chip << 16 | _BINARY_0_2, container.task_count, container.tcb_bytes, container.segment_count
    )
    body = header + container.payload
    return body + struct.pack("<I", binascii.crc32(body))


def _reason(errors: Path, text: str, exit_code: int) -> str:
    said = errors.read_text("utf-8", "backslashreplace") or text
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else f"exit code {exit_code}, without a word"


# What it said ---------------------------------------------------------------------------------------------


def _check(found: GdbText, image: CoreImage) -> None:
    """Whether the text is of this dump.

    Raises:
        DecodeError: ``wrong_report``.
    """
    doubt: str | None = None
    missing = {task.tcb for task in image.tasks} - {thread.tcb for thread in found.threads if thread.frames}
    crashed = image.crashed_task
    if not found.threads:
        doubt = "it names no thread"
    elif missing:
        doubt = f"{len(missing)} of {len(image.tasks)} tasks are missing"
    elif crashed is not None and found.registers.get("pc") != crashed.registers.get("pc"):
        doubt = "its program counter is not the dump's"
    if doubt is not None:
        raise DecodeError(
            "wrong_report",
            f"the report of esp-coredump does not fit the dump: {doubt}; GDB was too slow, or is not for this chip",
        )


def _join(base: Report, found: GdbText, seconds: float) -> Report:
    threads = {thread.tcb: thread for thread in found.threads}
    tasks = [_task(task, threads[task.tcb]) for task in base.tasks]
    crashed = next((task for task in tasks if task.crashed), None)
    return dataclasses.replace(
        base,
        tasks=tasks,
        crashed_task=None if crashed is None else crashed.name,
        frames=[] if crashed is None else crashed.frames,
        registers=base.registers | found.registers,
        # Ours are about frames that are not in this report, but for those about the dump and the program.
        warnings=[warning for warning in base.warnings if not warning.startswith("guessed_frame")],
        decoder=DecoderReport(ESP_COREDUMP, version(ESP_COREDUMP), round(seconds, 4)),
    )


def _task(task: TaskReport, thread: GdbThread) -> TaskReport:
    frames = thread.frames
    if frames and not frames[0].pc:
        # GDB's first frame begins a statement: its address is the task's program counter.
        frames = [dataclasses.replace(frames[0], pc=task.registers.get("pc", 0)), *frames[1:]]
    return dataclasses.replace(
        task,
        name=thread.name or task.name,
        priority=task.priority if thread.priority is None else thread.priority,
        base_priority=task.base_priority if thread.base_priority is None else thread.base_priority,
        frames=frames,
        unwind_stop="gdb",
    )
