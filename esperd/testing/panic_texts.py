"""What the panic handler prints, and what the detector makes of it."""

from __future__ import annotations

from esper_protocol.events import Backtrace, Panic
from esperd.core.limits import CoreLimits
from esperd.core.panic import PanicDetector
from esperd.core.text import strip_line

XTENSA_REGISTERS = b"""\
PC      : 0x400d66b9  PS      : 0x00060b30  A0      : 0x800d6a17  A1      : 0x3ffb5f20
A2      : 0x00000000  A3      : 0x00000005  A4      : 0x3ffb2a08  A5      : 0x00000000
SAR     : 0x0000001d  EXCCAUSE: 0x0000001d  EXCVADDR: 0x00000000  LBEG    : 0x4000c2e0
"""
OTHER_CORE_REGISTERS = XTENSA_REGISTERS.replace(b"0x400d66b9", b"0x40081111")
BACKTRACE = b"Backtrace: 0x400d66b6:0x3ffb5f20 0x400d6a14:0x3ffb5f40\n"
FRAMES = [(0x400D66B6, 0x3FFB5F20), (0x400D6A14, 0x3FFB5F40)]
OTHER_BACKTRACE = b"Backtrace: 0x40081111:0x3ffb0000\n"
SHA = b"ELF file SHA256: 1b43c5e74\n"
RISCV_REGISTERS = b"""\
Core  0 register dump:
MEPC    : 0x42006b1c  RA      : 0x42006b18  SP      : 0x3fc91f50  GP      : 0x3fc8b400
S0/FP   : 0x00000004  S1      : 0x3fc8ead4  A0      : 0x3fc8ea9c  A1      : 0x3fc8ead2
MSTATUS : 0x00001881  MTVEC   : 0x40380001  MCAUSE  : 0x00000007  MTVAL   : 0x00000000
MHARTID : 0x00000000

Stack memory:
3fc91f50: 0xa5a5a5a5 0xa5a5a5a5 0x3fc8ead0 0x403887b8 0xa5a5a5a5 0xa5a5a5a5 0xa5a5a5a5 0x3fc8a498
3fc91f70: 0x3fc8ead4 0x3fc8a4b4 0x3fc8ead0 0x726f6261 0x20292874 0x20736177 0x6c6c6163 0x61206465
"""
GURU = b"Guru Meditation Error: Core  0 panic'ed (LoadProhibited). Exception was unhandled.\n"
ABORT = b"abort() was called at PC 0x400d66b9 on core 0\n"
WATCHDOG = b"""\
E (9496) task_wdt: Task watchdog got triggered. The following tasks/users did not reset the watchdog in time:
E (9496) task_wdt:  - IDLE1 (CPU 1)
E (9496) task_wdt: Tasks currently running:
E (9496) task_wdt: CPU 0: IDLE0
E (9496) task_wdt: CPU 1: hog
"""


def detect(text: bytes, limits: CoreLimits | None = None, *, close: bool = True) -> list[Panic | Backtrace]:
    """What the detector finds in *text*; without *close* only what its lines have ended."""
    detector = PanicDetector(limits or CoreLimits())
    lines = enumerate(text.splitlines(), 1)
    found = [body for seq, line in lines for body in detector.on_line(strip_line(line), seq, 0.0)]
    return [*found, *detector.close()] if close else found


def panics(text: bytes, *, close: bool = True) -> list[Panic]:
    """The panics among it."""
    return [body for body in detect(text, close=close) if isinstance(body, Panic)]


def panic(text: bytes, *, close: bool = True) -> Panic:
    """The only panic in it."""
    (found,) = panics(text, close=close)
    return found
