import struct
from pathlib import Path

import pytest

from esperd.decode.decoder import decode_core_dump
from esperd.decode.report import Report
from esperd.decode.report_text import format_report
from esperd.decode.unwind.xtensa_solicited import call_target
from esperd.testing.elf_files import MadeSection, core_file, extra_info, program_file

CODE = 0x400D0000
OUTER, MIDDLE, INNER, HANDLER, ISR = (CODE + 0x100 * number for number in range(5))
# Where the functions stand: behind a call at a fixed place.
CALL_AT = 0x30
CRASHED_TCB, WAITING_TCB = 0x3FFB0000, 0x3FFB0100
CRASHED_STACK, WAITING_STACK, ISR_STACK = 0x3FFB1000, 0x3FFB2000, 0x3FFB3000
WINDOWED = 1 << 18
# EXCCAUSE and EXCVADDR, EPCs and EPSs: what comes before the word that tells of an interrupt.
SPECIAL_REGISTER_WORDS = 36


def call8(address: int, target: int) -> bytes:
    offset = (target - (address & ~3) - 4) >> 2
    return ((offset & 0x3FFFF) << 6 | 2 << 4 | 5).to_bytes(3, "little")


def function(address: int, calls: tuple[tuple[int, int], ...] = ()) -> bytes:
    """``entry a1, 32``, no-operations, and calls as (offset, target)."""
    code = bytearray(b"\x36\x41\x00" + b"\xf0\x20\x00" * 84)
    for offset, target in calls:
        code[offset : offset + 3] = call8(address + offset, target)
    return bytes(code).ljust(0x100, b"\0")


def return_word(pc: int) -> int:
    """A return address as call8 leaves it: the size of the window in its upper bits."""
    return pc & 0x3FFFFFFF | 2 << 30


def words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)


def put(memory: bytearray, base: int, address: int, *values: int) -> None:
    memory[address - base : address - base + 4 * len(values)] = words(*values)


def program(tmp_path: Path, middle_calls: int = 1) -> Path:
    places = [(CALL_AT + 0x30 * number, INNER) for number in range(middle_calls)]
    code = function(OUTER, ((CALL_AT, MIDDLE),)) + function(MIDDLE, tuple(places))
    code += function(INNER) + function(HANDLER, ((CALL_AT, ISR),)) + function(ISR)
    names = ("outer", "middle", "inner", "_xt_lowint1", "isr")
    path = tmp_path / "program.elf"
    symbols = [(name, CODE + 0x100 * number, 0x100) for number, name in enumerate(names)]
    path.write_bytes(program_file("xtensa", [MadeSection(".flash.text", CODE, code)], symbols))
    return path


def functions(report: Report, tcb: int) -> list[str | None]:
    return [frame.function for task in report.tasks if task.tcb == tcb for frame in task.frames]


def control_block(top: int, name: str) -> bytes:
    block = bytearray(84)
    put(block, 0, 0, top)
    block[52 : 52 + len(name)] = name.encode()
    return bytes(block)


def registers(pc: int, a0: int, a1: int) -> list[int]:
    return [pc, WINDOWED, 0, 0, 0, 0, a0, a1, *[0] * 14]


# Solicited tasks -----------------------------------------------------------------------------------------


def waiting_core(*, with_all_memory: bool) -> bytes:
    """A crashed task and one that waits in vPortYield: outer called middle, that called inner, that yielded."""
    memory = bytearray(0x100)
    top = WAITING_STACK + 0x20
    inner_sp, middle_sp, outer_sp = top + 32, top + 32 + 48, top + 32 + 48 + 32
    put(memory, WAITING_STACK, top, 0, return_word(INNER + 9), WINDOWED, 0)
    put(memory, WAITING_STACK, inner_sp - 16, return_word(OUTER + CALL_AT + 3), middle_sp, 5, 6)
    put(memory, WAITING_STACK, middle_sp - 16, 0, outer_sp, 7, 8)
    put(memory, WAITING_STACK, top - 16, return_word(MIDDLE + CALL_AT + 3), inner_sp, 3, 4)
    begin = 0 if with_all_memory else top - WAITING_STACK
    stored = (INNER + 9) & 0x3FFFFFFF
    return core_file(
        "xtensa",
        [
            (CRASHED_TCB, registers(INNER + 6, 0, CRASHED_STACK + 32)),
            (WAITING_TCB, registers(stored, (OUTER + CALL_AT + 3) & 0x3FFFFFFF, middle_sp)),
        ],
        [
            (CRASHED_TCB, control_block(CRASHED_STACK, "main")),
            (CRASHED_STACK, bytes(64)),
            (WAITING_TCB, control_block(top, "waiter")),
            (WAITING_STACK + begin, bytes(memory[begin:])),
        ],
    )


def test_a_task_that_yielded_has_the_frames_that_its_stack_tells_of(tmp_path: Path) -> None:
    report = decode_core_dump(waiting_core(with_all_memory=False), program(tmp_path))
    assert functions(report, WAITING_TCB) == ["inner", "middle", "outer"]
    task = report.tasks[1]
    assert [frame.how for frame in task.frames] == ["solicited", "inferred", "window"]
    assert [frame.pc for frame in task.frames] == [INNER + 9, MIDDLE + CALL_AT + 3, OUTER + CALL_AT + 3]
    # The others that were stored are another function's.
    assert task.registers.keys() == {"pc", "ps", "a1"}
    assert any(warning.startswith("guessed_frame: ") and "waiter" in warning for warning in report.warnings)
    assert "middle ()  (guessed)" in format_report(report)


def test_in_a_dump_of_all_memory_nothing_of_a_yielded_task_is_inferred(tmp_path: Path) -> None:
    report = decode_core_dump(waiting_core(with_all_memory=True), program(tmp_path))
    assert functions(report, WAITING_TCB) == ["inner", "middle", "outer"]
    assert [frame.how for frame in report.tasks[1].frames] == ["solicited", "window", "window"]
    assert not any(warning.startswith("guessed_frame") for warning in report.warnings)


def test_a_caller_with_two_calls_is_named_but_not_placed(tmp_path: Path) -> None:
    report = decode_core_dump(waiting_core(with_all_memory=False), program(tmp_path, middle_calls=2))
    assert functions(report, WAITING_TCB) == ["inner", "middle", "outer"]
    assert report.tasks[1].frames[1].pc == MIDDLE


def test_without_a_program_what_lies_between_is_left_out_and_marked(tmp_path: Path) -> None:
    report = decode_core_dump(waiting_core(with_all_memory=False), None)
    frames = report.tasks[1].frames
    assert [frame.pc for frame in frames] == [INNER + 9, OUTER + CALL_AT + 3]
    assert [frame.how for frame in frames] == ["solicited", "inferred"]


@pytest.mark.parametrize(("address", "target"), [(CODE + 1, CODE + 0x200), (CODE + 0x203, CODE), (CODE, CODE + 4)])
def test_the_target_of_a_call_is_read_from_its_bytes(address: int, target: int) -> None:
    assert call_target(address, call8(address, target)) == target
    assert call_target(address, b"\x36\x41\x00") is None
    assert call_target(address, b"\x25") is None


# Interrupts ----------------------------------------------------------------------------------------------


def test_a_crash_in_an_interrupt_goes_on_to_the_task_through_the_vectors_save_area(tmp_path: Path) -> None:
    isr_sp, handler_sp = ISR_STACK + 0x60, ISR_STACK + 0xA0
    inner_sp, middle_sp = CRASHED_STACK + 0x40, CRASHED_STACK + 0x80
    isr_stack, stack = bytearray(0x100), bytearray(0x100)
    put(isr_stack, ISR_STACK, isr_sp - 16, return_word(INNER + 9), handler_sp, 0, 0)
    # What the vector builds: as if the interrupted function had called the handler.
    put(isr_stack, ISR_STACK, handler_sp - 16, return_word(MIDDLE + CALL_AT + 3), inner_sp, 0, 0)
    put(stack, CRASHED_STACK, inner_sp - 16, 0, middle_sp, 0, 0)
    core = core_file(
        "xtensa",
        [(CRASHED_TCB, registers(ISR + 9, return_word(HANDLER + CALL_AT + 3), isr_sp))],
        [
            (CRASHED_TCB, control_block(CRASHED_STACK, "main")),
            (ISR_STACK, bytes(isr_stack)),
            (CRASHED_STACK, bytes(stack)),
        ],
        [extra_info(CRASHED_TCB, 232, 29, 238, 4, *[0] * (SPECIAL_REGISTER_WORDS - 4), 1)],
    )
    report = decode_core_dump(core, program(tmp_path))
    assert report.in_isr
    assert functions(report, CRASHED_TCB) == ["isr", "_xt_lowint1", "inner", "middle"]
    assert report.tasks[0].unwind_stop == "outermost"
    assert (report.registers["exccause"], report.registers["excvaddr"]) == (29, 4)
    assert "Crashed task is in the interrupt context" in format_report(report)
