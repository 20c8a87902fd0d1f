"""What a dump says by itself, without an ELF file: tasks with their registers, memory, why and where it crashed.

Source: esp-idf components/espcoredump/src/core_dump_elf.c and core_dump_binary.c, port/{xtensa,riscv}/core_dump_port.c;
saved frames: components/xtensa/include/xtensa_context.h, components/riscv/include/riscv/rvruntime-frames.h.
"""

import struct
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Literal

from esperd.decode.dump import Container
from esperd.decode.errors import DecodeError
from esperd.decode.memory import Memory, Segment

Machine = Literal["xtensa", "riscv"]

_EM_XTENSA: Final = 0x5E
_EM_RISCV: Final = 0xF3
_PT_LOAD: Final = 1
_PT_NOTE: Final = 4
_NOTE_PRSTATUS: Final = 1
_NOTE_EXTRA_INFO: Final = 677
_NOTE_PANIC_DETAILS: Final = 679
_NOTE_DUMP_INFO: Final = 8266
_SKIPPED_TASK: Final = 0xDEADBEEF
_XTENSA_CHIPS: Final = ("esp32", "esp32s2", "esp32s3")
# Where the firmware lets a stack begin whose pointer was damaged.
_FAKE_STACKS: Final = {
    "xtensa": ((0x20000000, 0x30000000),),
    "riscv": ((0x20000000, 0x30000000), (0x70000000, 0x80000000)),
}
# Chips that have nothing else there. Of others only a stack that is not in the dump is a fake one.
_CHIPS_WITHOUT_MEMORY_THERE: Final = (
    *_XTENSA_CHIPS,
    *("esp32c2", "esp32c3", "esp32c5", "esp32c6", "esp32c61", "esp32h2", "esp32p4"),
)
# What vPortYield stores. Source: esp-idf components/xtensa/include/xtensa_context.h, XT_SOL_FRMSZ.
SOLICITED_FRAME_BYTES: Final = 32
# RvExcFrame: pc and x1 to x31, then the words of these names; its place is a multiple of 16 bytes long.
_RISCV_FRAME: Final = struct.Struct("<37I")
_RISCV_FRAME_BYTES: Final = 160
_RISCV_EXCEPTION_NAMES: Final = ("mstatus", "mtvec", "mcause", "mtval", "mhartid")
_MAX_TASKS: Final = 1024
_MAX_NOTES: Final = 8192
_XTENSA_ADDRESS: Final = 0x3FFFFFFF
_XTENSA_CODE_REGION: Final = 0x40000000

RISCV_NAMES: Final = (
    *("pc", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "fp", "s1", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7"),
    *("s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6"),
)
XTENSA_NAMES: Final = ("pc", "ps", "lbeg", "lend", "lcount", "sar", *(f"a{number}" for number in range(16)))
_XTENSA_WINDOW: Final = tuple(f"a{number}" for number in range(16))
# Special registers of the extra info note, by number.
_XTENSA_SPECIAL: Final = {232: "exccause", 238: "excvaddr"} | {
    number: name
    for level in range(1, 8)
    for number, name in ((176 + level, f"epc{level}"), (192 + level, f"eps{level}"))
}


@dataclass(slots=True)
class TaskImage:
    """A task as the dump holds it; ``stack`` is its saved part (first address, address after the last).

    ``is_solicited``: it gave up the processor itself, so that of its registers only pc, ps and a1 are known (Xtensa).
    """

    tcb: int
    registers: dict[str, int]
    stack: tuple[int, int] | None
    is_crashed: bool = False
    is_stack_corrupt: bool = False
    is_solicited: bool = False


@dataclass(slots=True)
class CoreImage:
    """All of it. ``exception`` holds what was saved of the exception besides the task's registers."""

    machine: Machine
    chip: str | None
    chip_revision: int | None
    tasks: list[TaskImage]
    memory: Memory
    exception: dict[str, int] = field(default_factory=dict[str, int])
    app_sha256: str | None = None
    panic_details: str | None = None
    in_isr: bool = False
    warnings: list[str] = field(default_factory=list[str])

    @property
    def crashed_task(self) -> TaskImage | None:
        """The task that crashed, unless the firmware had to skip it."""
        return next((task for task in self.tasks if task.is_crashed), None)


def read_image(container: Container) -> CoreImage:
    """Reads tasks and memory out of a container; damaged parts are left out with a warning.

    Raises:
        DecodeError: ``no_dump``: not even the first task is there.
    """
    image = _read_elf(container) if container.is_elf else _read_binary(container)
    image.warnings[:0] = container.warnings
    if not image.tasks and not image.memory.segments:
        raise DecodeError("no_dump", "the core dump is cut off before its first task")
    segments = image.memory.segments
    # A task's control block comes right before its stack.
    after = {segment.address: following.address for segment, following in pairwise(segments)}
    for task in image.tasks:
        _check_stack(image, task, after.get(task.tcb))
        if image.machine == "xtensa" and not task.is_crashed:
            _recognise_solicited(image, task)
    return image


def _check_stack(image: CoreImage, task: TaskImage, stack_start: int | None) -> None:
    pointer = task.registers.get("a1" if image.machine == "xtensa" else "sp", 0)
    ranges = _FAKE_STACKS[image.machine]
    if task.stack is None and stack_start is not None:
        # The pointer may be anything; where the firmware put what it saved instead tells.
        pointer = stack_start
    is_nothing_there = image.chip in _CHIPS_WITHOUT_MEMORY_THERE or image.memory.segment_at(pointer) is None
    if is_nothing_there and any(low <= pointer < high for low, high in ranges):
        task.is_stack_corrupt = True
        image.warnings.append(f"stack_corrupt: the stack of the task at 0x{task.tcb:08x} was damaged")


def _recognise_solicited(image: CoreImage, task: TaskImage) -> None:
    """Leaves of the registers what is true: the others are those of another function, or were never stored."""
    # pxTopOfStack is the first member of every control block.
    top = image.memory.word(task.tcb)
    if top is None or image.memory.word(top) != 0:
        return
    pc, ps = image.memory.word(top + 4), image.memory.word(top + 8)
    # The writer of the dump clears the size of the window that a return address has in its upper bits.
    if pc is None or ps is None or (pc ^ task.registers.get("pc", 0)) & _XTENSA_ADDRESS:
        return
    task.is_solicited = True
    task.registers = {
        "pc": pc & _XTENSA_ADDRESS | _XTENSA_CODE_REGION,
        "ps": ps,
        "a1": top + SOLICITED_FRAME_BYTES & 0xFFFFFFFF,
    }


# ELF ------------------------------------------------------------------------------------------------------


def _read_elf(container: Container) -> CoreImage:
    data = container.payload
    if len(data) < 52:
        raise DecodeError("no_dump", "the core dump is cut off in its ELF header")
    elf_type, machine_number = struct.unpack_from("<HH", data, 16)
    header_offset = struct.unpack_from("<I", data, 28)[0]
    entry_bytes, entry_count = struct.unpack_from("<HH", data, 42)
    if elf_type != 4 or machine_number not in (_EM_XTENSA, _EM_RISCV):
        raise DecodeError("no_dump", f"it is no core of an ESP chip: ELF type {elf_type}, machine 0x{machine_number:x}")
    machine: Machine = "xtensa" if machine_number == _EM_XTENSA else "riscv"
    image = CoreImage(machine, container.chip, container.chip_revision, [], Memory([]))
    missing_bytes = 0
    unclaimed_bytes = 2 * len(data)
    for index in range(entry_count):
        offset = header_offset + index * entry_bytes
        if entry_bytes < 32 or offset + 32 > len(data):
            image.warnings.append(f"truncated: {entry_count - index} of {entry_count} program headers are missing")
            break
        kind, start, address, _, size, _, flags, _ = struct.unpack_from("<8I", data, offset)
        content = data[start : start + size]
        missing_bytes += size - len(content)
        unclaimed_bytes -= len(content)
        if unclaimed_bytes < 0:
            # Segments have their bytes for themselves. Thousands with all of the file would not fit the memory.
            image.warnings.append("damaged: the segments have more bytes than the core dump")
            break
        if kind == _PT_NOTE:
            _read_notes(image, content)
        elif kind == _PT_LOAD and content:
            image.memory.segments.append(Segment(address, content, flags))
    if missing_bytes and container.version is None:
        # A core in a container is known to be cut off by the container's length.
        image.warnings.append(f"truncated: {missing_bytes} bytes of its segments are missing")
    _place_stacks(image)
    return image


def _read_notes(image: CoreImage, data: bytes) -> None:
    position = 0
    for _ in range(_MAX_NOTES):
        if position + 12 > len(data):
            return
        name_bytes, description_bytes, kind = struct.unpack_from("<3I", data, position)
        start = position + 12 + (name_bytes + 3 & ~3)
        if start + description_bytes > len(data):
            return
        # Up to ESP-IDF 5.5 the size of the name counts padding, too.
        name = data[position + 12 : position + 12 + name_bytes].split(b"\0")[0]
        _take_note(image, name, kind, data[start : start + description_bytes])
        position = start + (description_bytes + 3 & ~3)


def _take_note(image: CoreImage, name: bytes, kind: int, description: bytes) -> None:
    if kind == _NOTE_PRSTATUS and name == b"CORE":
        _take_prstatus(image, description)
    elif kind == _NOTE_EXTRA_INFO and len(description) >= 4:
        _take_extra_info(image, description)
    elif kind == _NOTE_PANIC_DETAILS:
        text = description.split(b"\0")[0].decode("utf-8", "backslashreplace").strip()
        image.panic_details = text if image.panic_details is None else f"{image.panic_details}\n{text}"
    elif kind == _NOTE_DUMP_INFO and name == b"ESP_CORE_DUMP_INFO":
        sha = description[4:].split(b"\0")[0].decode("ascii", "replace").lower()
        if sha and all(digit in "0123456789abcdef" for digit in sha):
            image.app_sha256 = sha
    elif kind == _NOTE_DUMP_INFO and name == b"ESP_CHIP_REV" and len(description) >= 4:
        image.chip_revision = struct.unpack_from("<I", description)[0]


def _take_prstatus(image: CoreImage, description: bytes) -> None:
    needed_bytes = 72 + 4 * (len(RISCV_NAMES) if image.machine == "riscv" else 64 + 16)
    if len(description) < needed_bytes or len(image.tasks) >= _MAX_TASKS:
        return
    tcb = struct.unpack_from("<I", description, 24)[0]
    if image.machine == "riscv":
        registers = dict(zip(RISCV_NAMES, struct.unpack_from("<32I", description, 72), strict=True))
    else:
        pc, ps, lbeg, lend, lcount, sar = struct.unpack_from("<6I", description, 72)
        window = struct.unpack_from("<16I", description, 72 + 4 * 64)
        registers = {"pc": pc, "ps": ps, "lbeg": lbeg, "lend": lend, "lcount": lcount, "sar": sar}
        registers |= zip(_XTENSA_WINDOW, window, strict=True)
    image.tasks.append(TaskImage(tcb, registers, None, is_crashed=not image.tasks))


def _take_extra_info(image: CoreImage, description: bytes) -> None:
    words = struct.unpack_from(f"<{len(description) // 4}I", description)
    for task in image.tasks:
        task.is_crashed = task.tcb == words[0]
    if words[0] == _SKIPPED_TASK:
        image.warnings.append("stack_corrupt: the crashed task was too damaged for the firmware to dump it")
    if image.machine == "riscv":
        image.in_isr = len(words) > 1 and words[1] != 0
        return
    for number, value in zip(words[1::2], words[2::2], strict=False):
        if name := _XTENSA_SPECIAL.get(number):
            image.exception.setdefault(name, value)
    image.in_isr = len(words) > 37 and words[37] != 0


def _place_stacks(image: CoreImage) -> None:
    for task in image.tasks:
        pointer = task.registers.get("a1" if image.machine == "xtensa" else "sp", 0)
        if segment := image.memory.segment_at(pointer):
            task.stack = (segment.address, segment.end)
    crashed = image.crashed_task
    if image.machine == "riscv" and crashed is not None and crashed.stack is not None:
        _take_riscv_exception(image, crashed, crashed.stack[0])


def _take_riscv_exception(image: CoreImage, crashed: TaskImage, stack_start: int) -> None:
    """The machine's registers from the frame that the panic handler saved: only the crashed task's are of this one.

    It is where the saved part of the stack begins; in a dump of all memory, right below the stack pointer.
    """
    for address in (stack_start, crashed.registers["sp"] - _RISCV_FRAME_BYTES):
        data = image.memory.read(address, _RISCV_FRAME.size)
        if data is None:
            continue
        words = _RISCV_FRAME.unpack(data)
        if words[0] == crashed.registers["pc"] and words[2] == crashed.registers["sp"]:
            image.exception.update(zip(_RISCV_EXCEPTION_NAMES, words[32:], strict=True))
            return


# Binary ---------------------------------------------------------------------------------------------------


def _read_binary(container: Container) -> CoreImage:
    machine: Machine = "xtensa" if container.chip in _XTENSA_CHIPS else "riscv"
    image = CoreImage(machine, container.chip, container.chip_revision, [], Memory([]))
    data, position = container.payload, 0
    if not 0 < container.task_count <= _MAX_TASKS or container.tcb_bytes > 4096:
        raise DecodeError(
            "no_dump", f"its header is damaged: {container.task_count} tasks of {container.tcb_bytes} bytes"
        )
    for index in range(container.task_count):
        if position + 12 > len(data):
            break
        tcb, top, end = struct.unpack_from("<3I", data, position)
        stack_bytes = abs(end - top)
        stack_at = position + 12 + container.tcb_bytes
        # The control block's size is a multiple of four, the stack is padded to one.
        position = stack_at + (stack_bytes + 3 & ~3)
        low = min(top, end)
        image.memory.segments.append(Segment(tcb, data[stack_at - container.tcb_bytes : stack_at]))
        stack = data[stack_at : stack_at + stack_bytes]
        if stack:
            image.memory.segments.append(Segment(low, stack))
        registers = _saved_registers(image, low, is_crashed=index == 0)
        image.tasks.append(TaskImage(tcb, registers, (low, low + len(stack)), is_crashed=index == 0))
    for _ in range(container.segment_count):
        if position + 8 > len(data):
            break
        start, size = struct.unpack_from("<2I", data, position)
        content = data[position + 8 : position + 8 + size]
        if content:
            image.memory.segments.append(Segment(start, content))
        position += 8 + (size + 3 & ~3)
    if len(image.tasks) < container.task_count:
        image.warnings.append(f"truncated: {len(image.tasks)} of {container.task_count} tasks are there")
    return image


def _saved_registers(image: CoreImage, address: int, *, is_crashed: bool) -> dict[str, int]:
    """The registers that the frame at the start of a stack holds; empty when it is not there."""
    if image.machine == "riscv":
        frame = image.memory.read(address, _RISCV_FRAME.size)
        if frame is None:
            return {}
        words = _RISCV_FRAME.unpack(frame)
        if is_crashed:
            image.exception.update(zip(_RISCV_EXCEPTION_NAMES, words[32:], strict=True))
        return dict(zip(RISCV_NAMES, words[:32], strict=True))
    frame = image.memory.read(address, 4 * 25) or (image.memory.read(address, 32) or b"").ljust(100, b"\0")
    words = struct.unpack("<25I", frame)
    if words[0] == 0:
        # A task that gave up the processor itself.
        return {"pc": words[1], "ps": words[2], "a1": address + SOLICITED_FRAME_BYTES}
    ps = words[2] & ~0x10 if words[2] & 0x20 else words[2]
    if is_crashed:
        image.exception.update(exccause=words[20], excvaddr=words[21])
    saved = {"pc": words[1], "ps": ps, "lbeg": words[22], "lend": words[23], "lcount": words[24], "sar": words[19]}
    return saved | dict(zip(_XTENSA_WINDOW, words[3:19], strict=True))
