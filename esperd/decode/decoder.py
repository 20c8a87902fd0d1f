"""The way in: a core dump and, if there is one, its ELF file into a report."""

import time
from pathlib import Path
from typing import Final

from esper_protocol.version import PACKAGE_VERSION
from esperd.decode.dump import Container, read_dump
from esperd.decode.errors import ElfMismatchError
from esperd.decode.frame_reports import describe_frame
from esperd.decode.freertos import TaskBlock, read_task_block, task_layout
from esperd.decode.image import CoreImage, TaskImage, read_image
from esperd.decode.match import MATCHING_SHARE, return_address_share
from esperd.decode.program import Member, Program
from esperd.decode.report import (
    DecoderReport,
    ElfMatch,
    FrameReport,
    MemoryReport,
    Report,
    TaskReport,
)
from esperd.decode.unwind.frames import AddressSpace, Frame
from esperd.decode.unwind.walk import walk

BACKEND: Final = "native"
_FLAGS: Final = ((4, "R"), (2, "W"), (1, "X"))


def decode_core_dump(
    data: bytes, elf: Path | None, *, rom: Path | None = None, force: bool = False, with_locals: bool = False
) -> Report:
    """Decodes a dump as far as it goes.

    Args:
        data: The dump as text, as its container, or as a bare ELF core.
        elf: The program that ran; without it there are tasks, registers and memory, but no frames beyond the first.
        rom: The chip's ROM as an ELF file, for the names of functions in it.
        force: Decode also with a program that is not the dump's.
        with_locals: Local variables, too.

    Raises:
        DecodeError: there is no dump in *data*.
        ElfMismatchError: *elf* is not the dump's program, and not *force*.
        ProgramError: *elf* or *rom* is not a program of an ESP chip.
    """
    started = time.perf_counter()
    container = read_dump(data)
    image = read_image(container)
    programs: list[Program] = []
    try:
        programs += [Program.open(path) for path in (elf, rom) if path is not None]
        match = _match(image, programs[0], force=force) if elf is not None else "unknown"
        decoding = _Decoding(
            image, container, tuple(programs), has_application=elf is not None, with_locals=with_locals
        )
        return decoding.report(elf, match, started)
    finally:
        for program in programs:
            program.close()


def _match(image: CoreImage, program: Program, *, force: bool) -> ElfMatch:
    sha = program.sha256()
    printed = image.app_sha256
    # All zeros: an image that was not flashed by ESP-IDF's tools carries no hash.
    if printed is None or not printed.strip("0"):
        return "unknown"
    if sha.startswith(printed):
        return "sha256"
    if force:
        image.warnings.append(f"elf_mismatch: the dump is of {printed}, {program.path} is {sha}")
        return "forced"
    raise ElfMismatchError(f"{program.path} (SHA-256 {sha}) is not the program of this dump ({printed})")


class _Decoding:
    """One decode: what all its steps need."""

    def __init__(
        self,
        image: CoreImage,
        container: Container,
        programs: tuple[Program, ...],
        *,
        has_application: bool,
        with_locals: bool,
    ) -> None:
        self._image = image
        self._container = container
        self._application = programs[0] if has_application else None
        self._space = AddressSpace(image.memory, programs)
        self._with_locals = with_locals

    def report(self, elf: Path | None, match: ElfMatch, started: float) -> Report:
        image = self._image
        layout = task_layout(self._application)
        walked = [(task, *walk(image, task, self._space)) for task in image.tasks]
        if match == "unknown" and self._application is not None:
            match = self._match_by_calls([frames for _, frames, _ in walked])
        tasks = [self._task(task, frames, stop, layout) for task, frames, stop in walked]
        crashed = next((task for task in tasks if task.crashed), None)
        registers = dict(image.exception)
        if image.crashed_task is not None:
            registers |= image.crashed_task.registers
        reason = image.panic_details or self._reason(crashed)
        seconds = round(time.perf_counter() - started, 4)
        return Report(
            image.chip,
            self._container.format,
            self._container.checksum,
            image.app_sha256,
            None if elf is None else str(elf),
            match,
            reason,
            None if crashed is None else crashed.name,
            image.in_isr,
            registers,
            tasks,
            [] if crashed is None else crashed.frames,
            self._memory(),
            image.warnings,
            DecoderReport(BACKEND, PACKAGE_VERSION, seconds),
        )

    def _match_by_calls(self, stacks: list[list[Frame]]) -> ElfMatch:
        """Without a hash: whether the return addresses lie behind calls of this program."""
        share, count = return_address_share(stacks, self._space)
        if count and share < MATCHING_SHARE:
            self._image.warnings.append(
                f"elf_mismatch: only {share:.0%} of {count} return addresses are behind a call; "
                "this is probably not the program of the dump"
            )
            return "mismatch"
        return "unknown"

    # Tasks --------------------------------------------------------------------------------------------

    def _task(self, task: TaskImage, frames: list[Frame], stop: str, layout: dict[str, Member]) -> TaskReport:
        block: TaskBlock = read_task_block(self._image.memory, task.tcb, layout)
        reports: list[FrameReport] = []
        for frame in frames:
            reports += describe_frame(frame, len(reports), with_locals=self._with_locals)
        if any(frame.how == "scan" for frame in frames):
            self._image.warnings.append(f"guessed_frame: frames of task {block.name} are guessed from its stack")
        return TaskReport(
            task.tcb,
            block.name,
            block.priority,
            block.base_priority,
            task.is_crashed,
            block.stack_start if block.stack_start is not None else (task.stack or (None, None))[0],
            block.stack_end if block.stack_end is not None else (task.stack or (None, None))[1],
            block.stack_used,
            block.stack_free,
            task.registers,
            reports,
            stop,
        )

    @staticmethod
    def _reason(crashed: TaskReport | None) -> str | None:
        """Where there is no note of it: what was given to the function that aborts."""
        for frame in [] if crashed is None else crashed.frames:
            if frame.function in ("panic_abort", "esp_system_abort"):
                for argument in frame.args:
                    if argument.name == "details" and '"' in argument.value:
                        return argument.value.split('"', 1)[1].rsplit('"', 1)[0]
        return None

    def _memory(self) -> list[MemoryReport]:
        return [
            MemoryReport(
                segment.address,
                len(segment.data),
                "".join(letter for bit, letter in _FLAGS if segment.flags & bit),
                "",
            )
            for segment in self._image.memory.segments
        ]
