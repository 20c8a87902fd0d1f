import base64
import binascii
import hashlib
import os
import struct
from pathlib import Path

import pytest

from esperd.decode.decoder import decode_core_dump
from esperd.decode.report import Report
from esperd.decode.report_text import format_report
from esperd.testing.elf_files import ALLOC, WRITE, MadeSection, core_file, extra_info, program_file

ESP32, ESP32C3, ESP32H4 = 0, 5, 28
CODE = 0x400D0000
BSS = 0x3FFB8000
READY_LISTS, CURRENT_TASKS = BSS, BSS + 0x100
WINDOWED = 1 << 18
STACK_BYTES = 0x40
CODES = ("truncated", "holes", "checksum", "elf_mismatch", "stack_corrupt", "guessed_frame", "stale_context")


def container(core: bytes, chip_id: int = ESP32) -> bytes:
    body = struct.pack("<6I", 28 + len(core), chip_id << 16 | 0x0102, 0, 0, 0, 0) + core
    return body + struct.pack("<I", binascii.crc32(body))


def as_lines(data: bytes) -> list[bytes]:
    pieces = [data[:24], *(data[at : at + 48] for at in range(24, len(data), 48))]
    return [base64.b64encode(piece) for piece in pieces]


def task(number: int) -> int:
    return 0x3FFB0000 + 0x100 * number


def stack(number: int) -> int:
    return 0x3FFB4000 + 0x100 * number


def control_block(number: int, name: str, priority: int = 1, *, ready: bool = True) -> tuple[int, bytes]:
    """In the layout that holds where the program has no debug information."""
    block = bytearray(84)
    struct.pack_into("<I", block, 0, stack(number))
    # xStateListItem.pvContainer
    struct.pack_into("<I", block, 20, READY_LISTS + 20 * priority if ready else BSS + 0xF00)
    struct.pack_into("<II", block, 44, priority, stack(number) - 0x400)
    block[52 : 52 + len(name)] = name.encode()
    return task(number), bytes(block)


def xtensa(pc: int, sp: int, a0: int = 0) -> list[int]:
    return [pc, WINDOWED, 0, 0, 0, 0, a0, sp, *[0] * 14]


def core_of(
    names: list[tuple[str, int]], *, memory: list[tuple[int, bytes]] | None = None, note: bytes | None = None
) -> bytes:
    tasks = [(task(number), xtensa(CODE + 4, stack(number) + 16)) for number in range(len(names))]
    segments: list[tuple[int, bytes]] = []
    for number, (name, priority) in enumerate(names):
        segments += [control_block(number, name, priority), (stack(number), b"\xa5" * STACK_BYTES)]
    notes = [extra_info(task(0))]
    if note is not None:
        notes.append(("ESP_CORE_DUMP_INFO", 8266, struct.pack("<I", 1) + note))
    return core_file("xtensa", tasks, segments + (memory or []), notes)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program for two cores."""
    return _program(tmp_path, cores=2)


def _program(tmp_path: Path, cores: int) -> Path:
    sections = [
        MadeSection(".flash.text", CODE, b"\xf0\x20\x00" * 64),
        MadeSection(".dram0.bss", BSS, bytes(0x1000), ALLOC | WRITE, 8),
    ]
    symbols = [
        ("code", CODE, 192),
        ("pxReadyTasksLists", READY_LISTS, 0x100),
        ("pxCurrentTCBs", CURRENT_TASKS, 4 * cores),
    ]
    path = tmp_path / f"program{cores}.elf"
    path.write_bytes(program_file("xtensa", sections, symbols))
    return path


def with_code(report: Report, code: str) -> list[str]:
    assert code in CODES
    # Every warning begins with a code; there are no others than these.
    assert {warning.split(":")[0] for warning in report.warnings} <= set(CODES)
    return [warning for warning in report.warnings if warning.startswith(f"{code}: ")]


# The container --------------------------------------------------------------------------------------------


def test_a_whole_dump_of_one_core_has_no_warnings(tmp_path: Path) -> None:
    report = decode_core_dump(container(core_of([("main", 1), ("IDLE", 0)])), _program(tmp_path, cores=1))
    assert report.warnings == []
    assert report.checksum == "ok"
    assert [found.name for found in report.tasks] == ["main", "IDLE"]


@pytest.mark.parametrize("missing", [1, 100, 300])
def test_a_dump_that_was_cut_off_is_truncated(program: Path, missing: int) -> None:
    whole = container(core_of([("main", 1), ("IDLE", 0)]))
    report = decode_core_dump(whole[:-missing], program)
    assert len(with_code(report, "truncated")) == 1
    assert len(report.tasks) == 2


def test_a_bare_core_that_was_cut_off_is_truncated(program: Path) -> None:
    core = core_of([("main", 1), ("IDLE", 0)])
    assert with_code(decode_core_dump(core, program), "truncated") == []
    (warning,) = with_code(decode_core_dump(core[:-10], program), "truncated")
    assert warning == "truncated: 10 bytes of its segments are missing"


def test_a_damaged_line_becomes_a_hole_and_the_rest_is_decoded(program: Path) -> None:
    lines = as_lines(container(core_of([("main", 1), ("IDLE", 0)])))
    lines[-2] = lines[-2][:10] + b"?" + lines[-2][11:]
    report = decode_core_dump(b"\r\n".join(lines), program)
    assert len(with_code(report, "holes")) == 1
    assert [found.name for found in report.tasks] == ["main", "IDLE"]


def test_a_changed_byte_is_told_by_the_checksum(program: Path) -> None:
    damaged = bytearray(container(core_of([("main", 1), ("IDLE", 0)])))
    damaged[-20] ^= 1
    report = decode_core_dump(bytes(damaged), program)
    assert report.checksum == "bad"
    assert len(with_code(report, "checksum")) == 1
    assert [found.name for found in report.tasks] == ["main", "IDLE"]


# The program ----------------------------------------------------------------------------------------------


def test_a_program_that_is_forced_is_a_mismatch(program: Path) -> None:
    own = hashlib.sha256(program.read_bytes()).hexdigest()[:9].encode()
    names = [("main", 1), ("IDLE", 0)]
    right = decode_core_dump(container(core_of(names, note=own)), program)
    assert (right.elf_match, with_code(right, "elf_mismatch")) == ("sha256", [])
    forced = decode_core_dump(container(core_of(names, note=b"123456789")), program, force=True)
    assert forced.elf_match == "forced"
    assert len(with_code(forced, "elf_mismatch")) == 1


def test_a_program_in_which_nothing_was_called_is_a_mismatch(program: Path) -> None:
    # The return address is in the middle of no-operations.
    registers = xtensa(CODE + 4, stack(0) + 32, 2 << 30 | (CODE + 60) & 0x3FFFFFFF)
    content = bytes(16) + struct.pack("<4I", 0, stack(0) + 48, 0, 0) + bytes(32)
    core = core_file("xtensa", [(task(0), registers)], [control_block(0, "main"), (stack(0), content)])
    report = decode_core_dump(container(core), program)
    assert report.elf_match == "mismatch"
    assert len(with_code(report, "elf_mismatch")) == 1


# Stacks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chip_id", "pointer", "is_corrupt"),
    [
        (ESP32C3, 0x20000010, True),
        (ESP32C3, 0x70000010, True),
        (ESP32C3, 0x3FC80010, False),
        (ESP32H4, 0x20000010, False),
        (ESP32, 0x20000010, True),
        (ESP32, 0x3FFB4010, False),
        (ESP32, 0x70000010, False),
    ],
)
def test_a_stack_at_a_made_up_address_is_not_walked(chip_id: int, pointer: int, is_corrupt: bool) -> None:
    segments = [control_block(0, "main"), (pointer & ~0xF, bytes(64))]
    if chip_id == ESP32:
        core = core_file("xtensa", [(task(0), xtensa(CODE + 4, pointer))], segments)
    else:
        core = core_file("riscv", [(task(0), [CODE + 4, 0, pointer, *[0] * 29])], segments)
    report = decode_core_dump(container(core, chip_id), None)
    assert bool(with_code(report, "stack_corrupt")) is is_corrupt
    # Where it stood is known all the same.
    assert report.frames[0].pc == CODE + 4
    assert (report.tasks[0].unwind_stop == "the stack pointer was damaged") is is_corrupt


def test_a_made_up_stack_is_told_by_where_it_was_put_whatever_the_pointer_is() -> None:
    segments = [control_block(0, "main"), (0x20000000, bytes(64))]
    core = core_file("riscv", [(task(0), [CODE + 4, 0, 0xFFFFFFF0, *[0] * 29])], segments)
    report = decode_core_dump(container(core, ESP32C3), None)
    assert len(with_code(report, "stack_corrupt")) == 1
    assert report.tasks[0].unwind_stop == "the stack pointer was damaged"


def test_a_made_up_stack_that_is_not_in_the_dump_is_told_on_every_chip() -> None:
    core = core_file("riscv", [(task(0), [CODE, 0, 0x20000010, *[0] * 29])], [control_block(0, "main")])
    assert len(with_code(decode_core_dump(container(core, ESP32H4), None), "stack_corrupt")) == 1


def test_a_crashed_task_that_the_firmware_skipped_is_missing_and_the_others_are_there(program: Path) -> None:
    core = core_file(
        "xtensa",
        [(task(1), xtensa(CODE + 4, stack(1) + 16))],
        [control_block(1, "IDLE", 0), (stack(1), bytes(STACK_BYTES))],
        [extra_info(0xDEADBEEF, 232, 28, 238, 16)],
    )
    report = decode_core_dump(container(core), program)
    assert len(with_code(report, "stack_corrupt")) == 1
    assert (report.crashed_task, report.frames) == (None, [])
    assert [(found.name, found.crashed) for found in report.tasks] == [("IDLE", False)]
    # Why it crashed is not lost with the task.
    assert report.registers == {"exccause": 28, "excvaddr": 16}
    text = format_report(report)
    assert "Crashed task is not in the dump" in text
    assert "LoadProhibitedCause" in text


# The other core -------------------------------------------------------------------------------------------

NAMES = [("main", 1), ("worker", 5), ("IDLE0", 0), ("IDLE1", 0)]


def test_a_dump_of_all_memory_names_the_task_that_ran_on_the_other_core(program: Path) -> None:
    running = struct.pack("<II", task(0), task(3))
    core = core_of(NAMES, memory=[(BSS, bytes(0x100) + running)])
    (warning,) = with_code(decode_core_dump(core, program), "stale_context")
    assert warning.startswith("stale_context: IDLE1 was running on the other core;")


def test_otherwise_the_ready_task_of_highest_priority_is_named(program: Path) -> None:
    (warning,) = with_code(decode_core_dump(core_of(NAMES), program), "stale_context")
    assert warning.startswith("stale_context: worker was probably running on the other core;")


def test_without_a_program_a_chip_of_two_cores_says_so() -> None:
    (warning,) = with_code(decode_core_dump(container(core_of(NAMES)), None), "stale_context")
    assert "the chip has two cores" in warning
    assert with_code(decode_core_dump(container(core_of(NAMES[:3])), None), "stale_context") == []


def test_one_core_has_no_stale_context(tmp_path: Path) -> None:
    assert with_code(decode_core_dump(core_of(NAMES), _program(tmp_path, cores=1)), "stale_context") == []


@pytest.mark.parametrize("name", ["x01_d0", "x02_d0", "esp32_bin03"])
def test_a_task_that_is_bound_to_the_crashed_core_did_not_run_on_the_other(name: str) -> None:
    folder = os.environ.get("ESPER_CORPUS")
    if folder is None:
        pytest.skip("ESPER_CORPUS is not set: it names the folder with recorded core dumps")
    elfs = {"x01_d0": "ab81a733d2da4ec6", "x02_d0": "1b43c5e74f2da138", "esp32_bin03": "a931845e01ec36f7"}
    data = (Path(folder) / "dumps" / f"{name}.b64").read_bytes()
    report = decode_core_dump(data, Path(folder) / "elf" / f"{elfs[name]}.elf")
    (warning,) = with_code(report, "stale_context")
    assert warning.startswith("stale_context: IDLE1 was probably")


# Without debug information --------------------------------------------------------------------------------


def test_control_blocks_are_read_without_debug_information(program: Path) -> None:
    for elf in (program, None):
        report = decode_core_dump(core_of(NAMES), elf)
        assert [(found.name, found.priority) for found in report.tasks] == NAMES
        first = report.tasks[0]
        assert (first.stack_start, first.stack_end) == (stack(0) - 0x400, stack(0) + STACK_BYTES)
        assert first.stack_free == 0x400
        assert (first.base_priority, first.stack_used) == (None, None)


# Memory ---------------------------------------------------------------------------------------------------


def test_what_the_dump_holds_besides_tasks_has_the_name_of_its_section(program: Path) -> None:
    report = decode_core_dump(core_of([("main", 1)], memory=[(BSS + 0x200, bytes(8)), (0x50000000, bytes(4))]), program)
    assert [(row.name, row.address, row.size, row.flags) for row in report.memory] == [
        (".flash.text", CODE, 192, "RXA"),
        (".coredump.tasks.data", task(0), 84, "RW"),
        (".coredump.tasks.data", stack(0), STACK_BYTES, "RW"),
        (".dram0.bss", BSS + 0x200, 8, "RW"),
        (".coredump.tasks.data", 0x50000000, 4, "RW"),
    ]
