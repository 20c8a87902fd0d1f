import os
import struct
from pathlib import Path

import pytest

from esperd.decode.decoder import decode_core_dump
from esperd.decode.program import Program
from esperd.decode.report import Report
from esperd.testing.elf_files import MadeSection, core_file, extra_info, program_file

CODE = 0x40380000
HANDLER = CODE
WORKER = CODE + 0x40
TCB = 0x3FC90000
TASK_STACK = 0x3FC91000
ISR_STACK = 0x3FC80000
ISR_STACK_BYTES = 0x200
FRAME_BYTES = 160
CONTROL_BLOCK_BYTES = 84
RISCV_ELF = "7d946a8e8cd5e419.elf"


def saved_frame(pc: int, sp: int, **machine: int) -> bytes:
    """RvExcFrame: pc, x1 to x31, mstatus, mtvec, mcause, mtval, mhartid."""
    words = [pc, 0, sp, *[0x1000 + number for number in range(3, 32)]]
    words += [machine.get(name, 0) for name in ("mstatus", "mtvec", "mcause", "mtval", "mhartid")]
    return struct.pack("<37I", *words).ljust(FRAME_BYTES, b"\0")


def control_block(top_of_stack: int, name: str = "worker") -> bytes:
    block = bytearray(CONTROL_BLOCK_BYTES)
    struct.pack_into("<I", block, 0, top_of_stack)
    block[52 : 52 + len(name)] = name.encode()
    return bytes(block)


def functions(report: Report) -> list[str | None]:
    return [frame.function for frame in report.frames]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    code = b"\x01\x00" * 64
    path = tmp_path / "program.elf"
    path.write_bytes(
        program_file(
            "riscv",
            [MadeSection(".iram0.text", CODE, code)],
            [("_interrupt_handler", HANDLER, 0x40), ("worker", WORKER, 0x40)],
        )
    )
    return path


@pytest.fixture
def corpus_elf() -> Path:
    folder = os.environ.get("ESPER_CORPUS")
    if folder is None:
        pytest.skip("ESPER_CORPUS is not set: it names the folder with firmware images of others")
    return Path(folder) / "elf" / RISCV_ELF


# Interrupts ----------------------------------------------------------------------------------------------


def test_a_crash_in_an_interrupt_goes_on_to_the_task_that_was_interrupted(program: Path) -> None:
    top = TASK_STACK + 0x40
    task_stack = bytes(0x40) + saved_frame(WORKER + 8, top + FRAME_BYTES) + bytes(0x40)
    crashed = [HANDLER + 16, 0, ISR_STACK + ISR_STACK_BYTES, *[0] * 29]
    core = core_file(
        "riscv",
        [(TCB, crashed)],
        [(TCB, control_block(top)), (ISR_STACK, bytes(ISR_STACK_BYTES)), (TASK_STACK, task_stack)],
        [extra_info(TCB, 1)],
    )
    report = decode_core_dump(core, program)
    assert report.in_isr
    assert functions(report)[:2] == ["_interrupt_handler", "worker"]
    interrupted = report.frames[1]
    assert interrupted.how == "interrupt"
    assert interrupted.pc == WORKER + 8


def test_a_nested_interrupt_is_followed_through_both_levels(program: Path) -> None:
    top = TASK_STACK + 0x40
    task_stack = bytes(0x40) + saved_frame(WORKER + 8, top + FRAME_BYTES)
    nested_at = ISR_STACK + ISR_STACK_BYTES - FRAME_BYTES
    isr_stack = bytes(ISR_STACK_BYTES - FRAME_BYTES) + saved_frame(HANDLER + 32, ISR_STACK + ISR_STACK_BYTES)
    core = core_file(
        "riscv",
        [(TCB, [HANDLER + 16, 0, nested_at, *[0] * 29])],
        [(TCB, control_block(top)), (ISR_STACK, isr_stack), (TASK_STACK, task_stack)],
    )
    report = decode_core_dump(core, program)
    assert [frame.pc for frame in report.frames[:3]] == [HANDLER + 16, HANDLER + 32, WORKER + 8]
    assert [frame.how for frame in report.frames[:3]] == ["registers", "interrupt", "interrupt"]
    # Dumps of older firmware do not say it, the stack does.
    assert report.in_isr


def test_the_stack_of_an_interrupt_ends_where_the_interrupted_task_is_not_in_the_dump(program: Path) -> None:
    core = core_file(
        "riscv",
        [(TCB, [HANDLER + 16, 0, ISR_STACK + 64, *[0] * 29])],
        [(TCB, control_block(TASK_STACK)), (ISR_STACK, bytes(ISR_STACK_BYTES))],
    )
    report = decode_core_dump(core, program)
    assert functions(report) == ["_interrupt_handler"]
    assert report.tasks[0].unwind_stop == "what was interrupted is not in the dump"


def test_a_real_interrupt_handler_is_followed_through_its_dispatcher(corpus_elf: Path) -> None:
    with Program.open(corpus_elf) as program:
        symbols = [
            program.symbol_named(name) for name in ("_interrupt_handler", "_global_interrupt_handler", "app_main")
        ]
    handler, dispatcher, app_main = (symbol.address for symbol in symbols if symbol is not None)
    top = TASK_STACK + 0x40
    task_stack = bytes(0x40) + saved_frame(app_main, top + FRAME_BYTES) + bytes(0x40)
    # It stands at the dispatcher's first instruction: the return address is still in ra.
    crashed = [dispatcher, handler + 0x6C, ISR_STACK + ISR_STACK_BYTES, *[0] * 29]
    core = core_file(
        "riscv",
        [(TCB, crashed)],
        [(TCB, control_block(top)), (ISR_STACK, bytes(ISR_STACK_BYTES)), (TASK_STACK, task_stack)],
        [extra_info(TCB, 1)],
    )
    report = decode_core_dump(core, corpus_elf)
    assert functions(report)[:3] == ["_global_interrupt_handler", "_interrupt_handler", "app_main"]
    assert report.frames[2].file is not None
    assert report.frames[2].file.endswith("test_core_dump.c")


# Tail calls ----------------------------------------------------------------------------------------------


def tail_called_core(pc: int, return_pc: int) -> bytes:
    stack = bytes(0x200)
    return core_file(
        "riscv", [(TCB, [pc, return_pc, TASK_STACK, *[0] * 29])], [(TCB, control_block(0)), (TASK_STACK, stack)]
    )


def test_frames_that_tail_calls_removed_are_put_back(corpus_elf: Path) -> None:
    # esp_newlib_init_global_stdio calls fopen, which ends in a jump to _fopen_r; GDB shows the same three.
    with Program.open(corpus_elf) as program:
        callee = program.symbol_named("_fopen_r")
    assert callee is not None
    report = decode_core_dump(tail_called_core(callee.address, 0x4200499E), corpus_elf)
    assert functions(report)[:3] == ["_fopen_r", "fopen", "esp_newlib_init_global_stdio"]
    assert [frame.how for frame in report.frames[:3]] == ["registers", "tailcall", "cfi"]
    assert report.frames[1].pc == 0x4200E734


def test_a_plain_call_gets_no_frames_between(corpus_elf: Path) -> None:
    with Program.open(corpus_elf) as program:
        caller = program.symbol_named("fopen")
    assert caller is not None
    report = decode_core_dump(tail_called_core(caller.address, 0x4200499E), corpus_elf)
    assert functions(report)[:2] == ["fopen", "esp_newlib_init_global_stdio"]
    assert all(frame.how != "tailcall" for frame in report.frames)


# Why it crashed ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_all_memory", [False, True])
def test_the_cause_and_the_address_of_a_fault_are_among_the_registers(program: Path, is_all_memory: bool) -> None:
    sp = TASK_STACK + FRAME_BYTES
    frame = saved_frame(WORKER + 8, sp, mcause=7, mtval=0x10, mhartid=1, mstatus=0x1881)
    # A dump of all memory holds whole stacks: the frame is not where the segment begins.
    before = bytes(0x100) if is_all_memory else b""
    core = core_file(
        "riscv",
        [(TCB, struct.unpack_from("<32I", frame))],
        [(TCB, control_block(TASK_STACK)), (TASK_STACK - len(before), before + frame + bytes(64))],
    )
    report = decode_core_dump(core, program)
    assert report.registers["mcause"] == 7
    assert report.registers["mtval"] == 0x10
    assert report.registers["mstatus"] == 0x1881
    assert report.registers["pc"] == WORKER + 8
