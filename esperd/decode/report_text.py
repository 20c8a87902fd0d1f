"""The report as text, in the sections that Espressif's tool prints, which engineers know by heart."""

from collections.abc import Iterator
from typing import Final

from esperd.decode.report import FrameReport, Report, TaskReport

_WIDTH: Final = 63
_DUMPED: Final = ".coredump."
# Source: Xtensa ISA, EXCCAUSE; the names are those of the Xtensa HAL. 64 and up are ESP-IDF's own.
_EXCCAUSE: Final = {
    0: "IllegalInstructionCause",
    1: "SyscallCause",
    2: "InstructionFetchErrorCause",
    3: "LoadStoreErrorCause",
    4: "Level1InterruptCause",
    5: "AllocaCause",
    6: "IntegerDivideByZeroCause",
    8: "PrivilegedCause",
    9: "LoadStoreAlignmentCause",
    12: "InstrPIFDataErrorCause",
    13: "LoadStorePIFDataErrorCause",
    14: "InstrPIFAddrErrorCause",
    15: "LoadStorePIFAddrErrorCause",
    16: "InstTLBMissCause",
    17: "InstTLBMultiHitCause",
    18: "InstFetchPrivilegeCause",
    20: "InstFetchProhibitedCause",
    24: "LoadStoreTLBMissCause",
    25: "LoadStoreTLBMultiHitCause",
    26: "LoadStorePrivilegeCause",
    28: "LoadProhibitedCause",
    29: "StoreProhibitedCause",
    64: "UnknownException",
    65: "DebugException",
    66: "DoubleException",
    67: "KernelException",
    68: "CoprocessorException",
    69: "InterruptWDTTimoutCPU0",
    70: "InterruptWDTTimoutCPU1",
    71: "CacheError",
}
# Source: RISC-V privileged specification, mcause.
_MCAUSE: Final = {
    0: "Instruction address misaligned",
    1: "Instruction access fault",
    2: "Illegal instruction",
    3: "Breakpoint",
    4: "Load address misaligned",
    5: "Load access fault",
    6: "Store address misaligned",
    7: "Store access fault",
    8: "Environment call from U-mode",
    11: "Environment call from M-mode",
    12: "Instruction page fault",
    13: "Load page fault",
    15: "Store page fault",
}


def format_report(report: Report, *, with_locals: bool = False) -> str:
    """All sections."""
    return "\n".join(_lines(report, with_locals)) + "\n"


def format_frame(frame: FrameReport) -> str:
    """One line as GDB prints it: ``#1  0x400d3171 in main_task (args=0x0) at app_startup.c:199``."""
    address = f"0x{frame.pc:08x} in " if frame.shows_address else ""
    arguments = ", ".join(f"{argument.name}={argument.value}" for argument in frame.args)
    place = "" if frame.file is None else f" at {frame.file}:{frame.line}"
    mark = "  (guessed)" if frame.how in ("scan", "inferred") else ""
    return f"#{frame.level:<2} {address}{frame.function or '??'} ({arguments}){place}{mark}"


def _lines(report: Report, with_locals: bool) -> Iterator[str]:
    yield "=" * _WIDTH
    yield _banner(f"{(report.chip or 'ESP').upper()} CORE DUMP START")
    yield ""
    yield from _crash(report)
    yield ""
    yield _banner("CURRENT THREAD REGISTERS")
    yield from _registers(report)
    yield ""
    yield _banner("CURRENT THREAD STACK")
    yield from _frames(report.frames, with_locals)
    yield ""
    yield _banner("THREADS INFO")
    yield from _threads(report.tasks)
    yield ""
    yield f"{'TCB':>10} {'NAME':>16} {'PRIO C/B':>8} {'STACK USED/FREE':>16}"
    yield f"{'-' * 10} {'-' * 16} {'-' * 8} {'-' * 16}"
    for task in report.tasks:
        priorities = f"{_or_unknown(task.priority)}/{_or_unknown(task.base_priority)}"
        stack = f"{_or_unknown(task.stack_used)}/{_or_unknown(task.stack_free)}"
        yield f"0x{task.tcb:08x} {task.name or '??':>16} {priorities:>8} {stack:>16}"
    for number, task in enumerate(report.tasks, 1):
        yield ""
        yield f"==================== THREAD {number} (TCB: 0x{task.tcb:08x}, name: '{task.name or '??'}') {'=' * 21}"
        yield from _frames(task.frames, with_locals)
    yield ""
    yield _banner("ALL MEMORY REGIONS")
    yield "Name   Address   Size   Attrs"
    for region in report.memory:
        letters = "RWX" if region.name.startswith(_DUMPED) else "RWXA"
        columns = "".join(letter if letter in region.flags else " " for letter in letters)
        yield f"{region.name} 0x{region.address:x} 0x{region.size:x} {columns}"
    yield ""
    yield _banner(f"{(report.chip or 'ESP').upper()} CORE DUMP END")
    yield "=" * _WIDTH
    for warning in report.warnings:
        yield f"warning: {warning}"


def _crash(report: Report) -> Iterator[str]:
    crashed = next((task for task in report.tasks if task.crashed), None)
    if crashed is None:
        yield "Crashed task is not in the dump"
    else:
        name = crashed.name or "??"
        yield f"Crashed task handle: 0x{crashed.tcb:x}, name: '{name}', GDB name: 'process {crashed.tcb}'"
        yield f"Crashed task is {'' if report.in_isr else 'not '}in the interrupt context"
    if report.reason:
        yield f"Panic reason: {report.reason}"


def _registers(report: Report) -> Iterator[str]:
    for name, value in report.registers.items():
        yield f"{name:<14} {f'0x{value:x}':<18} {_meaning(report, name, value)}".rstrip()


def _meaning(report: Report, name: str, value: int) -> str:
    if name == "exccause":
        return f"({_EXCCAUSE.get(value, 'unknown')})"
    if name == "mcause":
        return f"({_MCAUSE.get(value, 'unknown')})"
    if name == "pc" and report.frames and report.frames[0].function:
        return f"<{report.frames[0].function}>"
    return str(value - (1 << 32) if value >> 31 and name not in ("lcount", "pc") else value)


def _threads(tasks: list[TaskReport]) -> Iterator[str]:
    yield f"  Id   {'Target Id':<18} Frame"
    for number, task in enumerate(tasks, 1):
        frame = format_frame(task.frames[0]).split(" ", 1)[1].strip() if task.frames else f"?? ({task.unwind_stop})"
        yield f"{'*' if task.crashed else ' '} {number:<4} process {task.tcb:<10} {frame}"


def _frames(frames: list[FrameReport], with_locals: bool) -> Iterator[str]:
    for frame in frames:
        yield format_frame(frame)
        if with_locals:
            for variable in frame.locals:
                yield f"        {variable.name} = {variable.value}"


def _banner(text: str) -> str:
    return f" {text} ".center(_WIDTH, "=")


def _or_unknown(number: int | None) -> str:
    return "?" if number is None else str(number)
