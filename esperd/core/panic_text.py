"""The texts that the panic handler and its relatives print, as data.

Source: esp-idf components/esp_system/panic.c and port/arch/*/panic_arch.c, components/esp_libc/src/{abort,assert}.c,
components/esp_system/{stack_check,task_wdt}.c, components/espcoredump/src/core_dump_common.c, components/heap.
"""

import re
from dataclasses import dataclass
from typing import Final

from esper_protocol.events import PanicCause
from esperd.core.text import is_quoted, to_text


@dataclass(frozen=True, slots=True)
class Opening:
    """A text that opens a report.

    Attributes:
        anchor: A part of it that a search over a whole block looks for.
        pattern: ``core``, ``reason`` and ``task`` are its groups, where it has them.
        cause: What it means, unless the reason says more.
        introduces: Another opening follows that tells of the same crash (a failed check, then ``abort()``).
        fatal: Whether the program is over with it; an introduction alone does not say.
    """

    anchor: bytes
    pattern: re.Pattern[bytes]
    cause: PanicCause
    introduces: bool = False
    fatal: bool = True


GURU: Final = Opening(
    b"Guru Meditation Error",
    re.compile(
        rb"Guru Meditation Error(?:: Core\s+(?P<core>\d{1,3}) panic'ed \((?P<reason>[^)]{0,64})\)"
        rb"| of type (?P<reason_v1>.{1,64}?) occurred on core\s+(?P<core_v1>\d{1,3}))"
    ),
    "exception",
)
ABORT: Final = Opening(
    b"abort() was called",
    re.compile(rb"abort\(\) was called at PC 0x[0-9a-fA-F]+(?: on core (?P<core>\d{1,3}))?"),
    "abort",
)
TASK_WATCHDOG: Final = Opening(
    b"Task watchdog got triggered",
    re.compile(rb"(?:[EWIDV] \([0-9: .\-]+\) )?task_wdt: (?P<reason>Task watchdog got triggered\.?)"),
    "task_watchdog",
    fatal=False,
)
OPENINGS: Final = (
    GURU,
    ABORT,
    TASK_WATCHDOG,
    Opening(b"assert failed: ", re.compile(rb"(?P<reason>assert failed: [^\r\n]*)"), "assert", introduces=True),
    Opening(
        b'assertion "',
        re.compile(rb'(?P<reason>assertion "[^\r\n]{0,512}" failed: file [^\r\n]*)'),
        "assert",
        introduces=True,
    ),
    Opening(
        b"***ERROR***",
        re.compile(rb"(?P<reason>\*\*\*ERROR\*\*\* A stack overflow in task (?P<task>.{0,64}?) has been detected\.?)"),
        "stack_overflow",
        introduces=True,
    ),
    Opening(
        b"Stack smashing protect failure",
        re.compile(rb"(?P<reason>Stack smashing protect failure!)"),
        "stack_smashing",
        introduces=True,
    ),
    Opening(
        b"CORRUPT HEAP: ",
        re.compile(rb"(?P<reason>CORRUPT HEAP: [^\r\n]*)"),
        "heap_corruption",
        introduces=True,
        fatal=False,
    ),
    Opening(
        b"ESP_ERROR_CHECK failed",
        re.compile(rb"(?P<reason>ESP_ERROR_CHECK failed: [^\r\n]*)"),
        "abort",
        introduces=True,
    ),
    Opening(
        b"Undefined behavior of type",
        re.compile(rb"(?P<reason>Undefined behavior of type [^\r\n]*)"),
        "other",
        introduces=True,
    ),
    Opening(
        b"Brownout detector was triggered",
        re.compile(rb"(?:[EWIDV] (?:\([0-9: .\-]+\) )?BOD: )?(?P<reason>Brownout detector was triggered)"),
        "brownout",
    ),
)
# One line is all there is of these; the chip resets at once.
NESTED: Final = re.compile(
    rb"(?P<reason>Re-entered core dump! Exception happened during core dump!"
    rb"|Panic handler entered multiple times\. Abort panic handling\.)"
)
ANCHORS: Final = (
    *(opening.anchor for opening in OPENINGS),
    b"Re-entered core dump!",
    b"Panic handler entered multiple times",
    b"Backtrace:",
)

BACKTRACE: Final = re.compile(rb"^Backtrace:\s*((?:0x[0-9a-fA-F]{8}:0x[0-9a-fA-F]{8}\s*)*)(\|<-CORRUPTED)?")
_FRAME: Final = re.compile(rb"0x([0-9a-fA-F]{8}):0x([0-9a-fA-F]{8})")
REGISTERS: Final = re.compile(rb"^(?:[A-Z][A-Z0-9/]*\s*: 0x[0-9a-fA-F]{8}\s*)+$")
REGISTER: Final = re.compile(rb"([A-Z][A-Z0-9/]*)\s*: 0x([0-9a-fA-F]{8})")
REGISTER_DUMP: Final = re.compile(rb"^(?:Core\s+(\d{1,3}) )?[Rr]egister dump:")
DEBUG_REASON: Final = re.compile(rb"^Debug exception reason: (.*)")
CANARY_TASK: Final = re.compile(rb"Stack canary watchpoint triggered \((.{0,64}?)\)")
STACK_FAULT_TASK: Final = re.compile(rb'^Detected in task "(.{0,64}?)" at 0x')
ELF_SHA256: Final = re.compile(rb"^ELF file SHA256:\s+([0-9a-fA-F]{8,64})")
WATCHDOG_DETAIL: Final = re.compile(
    rb"^[EWIDV] \([0-9: .\-]+\) task_wdt: "
    rb"(?:CPU \d{1,3}: (?P<task>.{1,64})|Print CPU (?P<core>\d{1,3}) |(?P<aborting>Aborting\.))?"
)
# One of the lines of `Stack memory:`, which RISC-V prints instead of a backtrace.
STACK_WORDS: Final = re.compile(rb"^[0-9a-fA-F]{8}:(?: 0x[0-9a-fA-F]{8})+$")
# What is printed when the panic handler itself has no more to say.
CLOSING: Final = re.compile(
    rb"^Rebooting\b|^CPU halted\.|^Entering gdb stub now|Press Enter to print core dump to UART"
    rb"|Print core dump to uart\.\.\.|Save core dump to flash|(?<!=)=+ CORE DUMP START =+$"
)
_REASON_CAUSES: Final[tuple[tuple[bytes, PanicCause], ...]] = (
    (b"Interrupt wdt timeout", "interrupt_watchdog"),
    (b"Stack protection fault", "stack_overflow"),
    (b"Brownout", "brownout"),
)


@dataclass(frozen=True, slots=True)
class Opened:
    """What an opening line says."""

    opening: Opening
    cause: PanicCause
    reason: str
    core: int | None
    task: str | None


def _cause(opening: Opening, reason: bytes) -> PanicCause:
    for words, cause in _REASON_CAUSES:
        if words in reason:
            return cause
    return opening.cause


def find_opening(text: bytes) -> Opened | None:
    """The opening that the stripped line *text* makes, unless it only quotes one."""
    for opening in OPENINGS:
        if opening.anchor not in text:
            continue
        match = opening.pattern.search(text)
        if match is None or is_quoted(text, match.start()):
            continue
        groups = match.groupdict()
        reason = groups.get("reason") or groups.get("reason_v1") or match[0]
        core = groups.get("core") or groups.get("core_v1")
        task = groups.get("task")
        return Opened(
            opening,
            _cause(opening, reason),
            to_text(reason.strip()),
            None if core is None else int(core),
            None if task is None else to_text(task),
        )
    return None


def parse_backtrace(text: bytes) -> tuple[list[tuple[int, int]], bool] | None:
    """Parses a backtrace line of the Xtensa panic handler (RISC-V has one only with frame pointers).

    Args:
        text: A stripped line, e.g. ``b"Backtrace: 0x40081d85:0x3ffb5f20 0x400d1b6e:0x3ffb5f40 |<-CORRUPTED"``.

    Returns:
        ``[(pc, sp), …]`` innermost first, and whether the firmware called it corrupted; None for another line.
        The PCs are ready for look-up: the firmware has moved them back onto the call.

    Source:
        esp-idf components/esp_system/port/arch/xtensa/debug_helpers.c, esp_backtrace_print_from_frame.
    """
    match = BACKTRACE.match(text)
    if match is None:
        return None
    return [(int(pc, 16), int(sp, 16)) for pc, sp in _FRAME.findall(match[1])], match[2] is not None
