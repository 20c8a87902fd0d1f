import os
from pathlib import Path

import pytest

from esperd.decode.errors import ElfMismatchError
from esperd.decode.panic import PanicReport, decode_panic, read_panics
from esperd.decode.program import Program
from esperd.simulation.scenarios import FIRMWARE_ELF, RECORDINGS


def corpus(name: str) -> Path:
    folder = os.environ.get("ESPER_CORPUS")
    if folder is None:
        pytest.skip("ESPER_CORPUS is not set: it names the folder with recorded transcripts and their programs")
    return next(Path(folder).glob(name))


def decode_first(text: bytes, elf: Path) -> PanicReport:
    with Program.open(elf) as program:
        return decode_panic(read_panics(text)[0], program)


def functions(report: PanicReport) -> list[str | None]:
    return [frame.function for frame in report.frames]


def test_a_riscv_panic_is_unwound_from_its_printed_stack_with_arguments() -> None:
    report = decode_first((RECORDINGS / "crash.raw").read_bytes(), FIRMWARE_ELF)
    assert functions(report)[:4] == ["store_value", "parse_field", "process_message", "command_crash"]
    assert functions(report)[-1] == "vPortTaskWrapper"
    arguments = {argument.name: argument.value for argument in report.frames[0].args}
    assert arguments["setting"] == "0x0"
    assert report.elf_match == "sha256"


def test_an_xtensa_backtrace_gets_functions_and_lines() -> None:
    text = corpus("transcripts/x01*.raw").read_bytes()
    report = decode_first(text, corpus("elf/ab81a733d2da4ec6.elf"))
    assert functions(report) == ["app_main", "main_task", "vPortTaskWrapper"]
    assert report.frames[0].line == 17


def test_the_address_in_an_abort_message_is_the_call() -> None:
    text = corpus("transcripts/x02*.raw").read_bytes()
    report = decode_first(text, corpus("elf/1b43c5e74f2da138.elf"))
    assert [(place.function, place.line) for place in report.places] == [("fail_once", 14)]
    assert functions(report)[3] == "fail_once"


def test_another_program_is_refused_with_both_hashes_unless_forced() -> None:
    text = corpus("transcripts/r01*.raw").read_bytes()
    panic = read_panics(text)[0]
    with Program.open(FIRMWARE_ELF) as program:
        with pytest.raises(ElfMismatchError, match="7d946a8e8") as caught:
            decode_panic(panic, program)
        assert program.sha256() in str(caught.value)
        assert decode_panic(panic, program, force=True).elf_match == "forced"


def test_each_panic_of_a_text_is_found_with_its_own_stack() -> None:
    panics = read_panics((RECORDINGS / "crash.raw").read_bytes())
    assert len(panics) >= 2
    assert all(len(panic.stack) == 32 for panic in panics)
    assert len({panic.stack[0].address for panic in panics}) >= 1
