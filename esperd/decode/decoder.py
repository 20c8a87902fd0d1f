"""The way in: a core dump and, if there is one, its ELF file into a report."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from esper_protocol.version import PACKAGE_VERSION
from esperd.decode.dump import Container, read_dump
from esperd.decode.errors import ElfMismatchError, WrongChipError
from esperd.decode.frame_reports import describe_frame
from esperd.decode.freertos import TaskBlock, read_task_block, task_layout
from esperd.decode.image import CoreImage, TaskImage, read_image
from esperd.decode.match import MATCHING_SHARE, return_address_share
from esperd.decode.memory_table import memory_table
from esperd.decode.other_core import stale_context
from esperd.decode.program import Program
from esperd.decode.report import DecoderReport, ElfMatch, FrameReport, Report, TaskReport
from esperd.decode.rom import RomSearch, open_rom
from esperd.decode.unwind.frames import AddressSpace, Frame
from esperd.decode.unwind.walk import walk

BACKEND: Final = "native"
# Of all tasks; firmware keeps 64 tasks by default. Source: esp-idf, CONFIG_ESP_COREDUMP_MAX_TASKS_NUM.
_MAX_FRAMES: Final = 4096


def decode_core_dump(
    data: bytes,
    elf: Path | None,
    *,
    rom: Path | None = None,
    roms: RomSearch | None = None,
    force: bool = False,
    with_locals: bool = False,
) -> Report:
    """Decodes a dump as far as it goes.

    Args:
        data: The dump as text, as its container, or as a bare ELF core.
        elf: The program that ran; without it there are tasks, registers and memory, but no frames beyond the first.
        rom: The chip's ROM as an ELF file, for the names of functions in it. One that can't be used is a warning.
        roms: Where to look for that file without *rom*.
        force: Decode also with a program that is not the dump's.
        with_locals: Local variables, too.

    Raises:
        DecodeError: there is no dump in *data*.
        ElfMismatchError: *elf* is not the dump's program, and not *force*.
        WrongChipError: *elf* is for another kind of processor.
        ProgramError: *elf* is not a program of an ESP chip.
    """
    started = time.perf_counter()
    container = read_dump(data)
    image = read_image(container)
    with ExitStack() as opened:
        application = None if elf is None else opened.enter_context(Program.open(elf))
        if application is not None and application.machine != image.machine:
            raise WrongChipError(application.path, application.machine, "core dump")
        match = "unknown" if application is None else _match(image, application, force=force)
        rom_program = open_rom(_rom_paths(image, rom, roms), image.machine, image.warnings)
        if rom_program is not None:
            opened.enter_context(rom_program)
        decoding = _Decoding(image, container, application, rom_program, with_locals=with_locals)
        return decoding.report(match, started)


def _rom_paths(image: CoreImage, rom: Path | None, roms: RomSearch | None) -> list[Path]:
    if rom is not None:
        return [rom]
    return [] if roms is None else roms.candidates(image.chip, image.chip_revision)


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
        application: Program | None,
        rom: Program | None,
        *,
        with_locals: bool,
    ) -> None:
        self._image = image
        self._container = container
        self._application = application
        self._rom = rom
        self._space = AddressSpace(image.memory, () if application is None else (application,), rom)
        self._with_locals = with_locals

    def report(self, match: ElfMatch, started: float) -> Report:
        image, application = self._image, self._application
        layout = task_layout(application)
        blocks = [read_task_block(image.memory, task.tcb, layout) for task in image.tasks]
        walked = [(task, *found) for task, found in zip(image.tasks, self._walk_all(), strict=True)]
        if match == "unknown" and application is not None:
            match = self._match_by_calls([frames for _, frames, _ in walked])
        tasks = [self._task(*found, block) for found, block in zip(walked, blocks, strict=True)]
        crashed = next((task for task in tasks if task.crashed), None)
        if crashed is not None and any(frame.how == "interrupt" for frame in crashed.frames):
            image.in_isr = True
        if any(program is not None and program.is_exhausted for program in (application, self._rom)):
            image.warnings.append("incomplete: the program's debug information takes too long to follow")
        if stale := stale_context(image, application, blocks):
            image.warnings.append(stale)
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
            None if application is None else str(application.path),
            match,
            reason,
            None if crashed is None else crashed.name,
            image.in_isr,
            registers,
            tasks,
            [] if crashed is None else crashed.frames,
            memory_table(image, application),
            image.warnings,
            DecoderReport(BACKEND, PACKAGE_VERSION, seconds, None if self._rom is None else str(self._rom.path)),
        )

    def _walk_all(self) -> Iterator[tuple[list[Frame], str]]:
        count = 0
        for task in self._image.tasks:
            found: tuple[list[Frame], str] = ([], "the dump has too many frames")
            if count < _MAX_FRAMES:
                found = walk(self._image, task, self._space)
            count += len(found[0])
            yield found

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

    def _task(self, task: TaskImage, frames: list[Frame], stop: str, block: TaskBlock) -> TaskReport:
        reports: list[FrameReport] = []
        for frame in frames:
            reports += describe_frame(frame, len(reports), with_locals=self._with_locals)
        if any(frame.how in ("scan", "inferred") for frame in frames):
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
