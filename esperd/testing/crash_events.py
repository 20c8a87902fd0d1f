"""A crash as a board's daemon tells it: a panic, its core dump, and the report of a decode."""

import json
from typing import Final

from esper_protocol.events import CaptureEndReason, CaptureState, CoredumpEnded, Panic

# Its second function has a name that would clear the screen.
REPORT: Final = json.dumps(
    {
        "chip": "esp32",
        "reason": "StoreProhibited",
        "crashed_task": "main",
        "registers": {"PC": 0x400D1234, "A0": 1, "A1": 2, "A2": 3},
        "tasks": [
            {
                "name": "main",
                "crashed": True,
                "stack_used": 512,
                "frames": [
                    {"level": 0, "pc": 0x400D1234, "function": "boom", "file": "/src/main.c", "line": 42, "args": []},
                    {"level": 1, "pc": 0x400D2222, "function": "app_main\x1b[2J", "file": "/src/main.c", "line": 50},
                ],
            },
            {"name": "IDLE", "crashed": False, "frames": []},
        ],
        "memory": [{"address": 0x3FFB0000, "size": 4096, "flags": "RW", "name": ".bss"}],
        "warnings": ["stack_corrupt: main"],
    }
)


def panic(seq: int, *, fatal: bool = True) -> Panic:
    """A panic whose line is at a position."""
    return Panic("exception", "StoreProhibited", fatal, 0, "main", {"PC": 0x400D1234}, [(0x400D1234, 0x3FFB0000)],
                 False, "0123abcd", seq, seq)  # fmt: skip


def ended(coredump: str, seq: int, capture: CaptureState = "captured") -> CoredumpEnded:
    """The end of a dump that began at a position."""
    reason: CaptureEndReason = "end_marker" if capture == "captured" else "reboot"
    return CoredumpEnded(coredump, capture, reason, 100, 3, 0, 8192, 8192, "ok", seq, seq + 2, "/d")
