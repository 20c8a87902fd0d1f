"""Core dump capture: which lines belong to a dump, and how it ends. Starts no process, opens no file.

A capture is IDLE or CAPTURING. What ends it is one of the signals of ``classify`` below, a limit, silence, or an
order from outside; in every case the state is IDLE again and what arrived is kept. Espressif encodes each piece of
at most 48 bytes by itself, so each line is decoded by itself, and one bad line damages nothing else.

Source: esp-idf components/espcoredump/src/core_dump_uart.c.
"""

import binascii
import enum
import re
from dataclasses import dataclass
from typing import Final

from esper_protocol.events import CaptureEndReason, CaptureState, CoredumpEnded, CoredumpProgress
from esperd.core.boot import find_banner, is_boot
from esperd.core.container import ContainerHeader, ContainerVerifier
from esperd.core.limits import CoreLimits
from esperd.core.text import LOG_PREFIX, is_quoted

START_ANCHOR: Final = b"CORE DUMP START"
PROMPT_ANCHOR: Final = b"Press Enter to print core dump to UART"
ANCHORS: Final = (START_ANCHOR, PROMPT_ANCHOR)

# The look-behind keeps a long line of `=` from being searched again from each of its characters.
_START: Final = re.compile(rb"(?<!=)={3,} CORE DUMP START ={3,}$")
_END: Final = re.compile(rb"(?<!=)={3,} CORE DUMP END ={3,}$")
_WRITE_FAILED: Final = re.compile(rb"Core dump write (?:binary )?failed")
_WRITTEN: Final = re.compile(rb"Core dump has been written to uart")
# Lines are at most 64 characters; twice that leaves room for two whose line end was lost.
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/]{2,128}={0,2}$")
_BASE64_RUN: Final = re.compile(rb"[A-Za-z0-9+/]*={0,2}")
_PROMPT: Final = re.compile(rb"Press Enter to print core dump to UART\.\.\.$")


class Signal(enum.Enum):
    """What a line means to a capture that is under way."""

    BASE64 = "base64"
    OTHER = "other"
    END = "end"
    START = "start"
    BANNER = "banner"
    WRITE_FAILED = "write_failed"
    WRITTEN = "written"


# How a capture ends by what the board says; the other two signals go on.
ENDINGS: Final[dict[Signal, CaptureEndReason]] = {
    Signal.END: "end_marker",
    Signal.START: "new_dump",
    Signal.BANNER: "reboot",
    Signal.WRITE_FAILED: "write_failed",
    # Printed last, even when the write failed; a dump of full length has ended as complete before.
    Signal.WRITTEN: "write_failed",
}


def is_start(text: bytes) -> bool:
    """Whether the stripped line *text* is, or ends in, the START marker."""
    return _is_marker(_START, text)


def is_prompt(text: bytes) -> bool:
    """Whether the firmware waits for Enter: the prompt is the line, or the message of core dump code's log line."""
    return _is_said(_PROMPT, text)


def _is_marker(marker: re.Pattern[bytes], text: bytes) -> bool:
    match = marker.search(text)
    return match is not None and not is_quoted(text, match.start())


def _is_said(message: re.Pattern[bytes], text: bytes) -> bool:
    log = LOG_PREFIX.match(text)
    if log is None:
        return message.match(text) is not None
    return log[1].startswith(b"esp_core_dump") and message.match(text, log.end()) is not None


def classify(text: bytes) -> Signal:
    """What the stripped, not empty line *text* means inside a dump."""
    if _BASE64.match(text) and len(text) % 4 == 0:
        return Signal.BASE64
    if _is_marker(_END, text):
        return Signal.END
    if is_start(text):
        return Signal.START
    if is_boot(text):
        return Signal.BANNER
    if _is_said(_WRITE_FAILED, text):
        return Signal.WRITE_FAILED
    return Signal.WRITTEN if _is_said(_WRITTEN, text) else Signal.OTHER


@dataclass(frozen=True, slots=True)
class CapturedBytes:
    """Effect: to append to the dump's files: accepted text, its decoding, and lines that were no part of it."""

    id: str
    text: bytes
    decoded: bytes
    rejected: bytes


@dataclass(frozen=True, slots=True)
class CaptureEnding:
    """How a capture ended."""

    event: CoredumpEnded
    header: ContainerHeader | None


class CoreDumpCapture:
    """One capture, from its START marker to its end."""

    def __init__(self, coredump_id: str, limits: CoreLimits, first_seq: int, now: float) -> None:
        self.id = coredump_id
        self._limits = limits
        self._verifier = ContainerVerifier()
        self._text = bytearray()
        self._decoded = bytearray()
        self._rejected = bytearray()
        self._raw_bytes = 0
        self._accepted_lines = 0
        self._rejected_lines = 0
        self._rejected_bytes = 0
        self._first_seq = first_seq
        self._last_seq = first_seq
        self._started = now
        self._last_progress = now
        self._told_bytes = 0
        self.deadline = now + limits.coredump_idle_s

    def on_line(self, line: bytes, text: bytes, seq: int, now: float) -> Signal:
        """Takes a line (*text*: stripped) that is inside the dump; the caller ends the capture on an ending signal."""
        if not text:
            return Signal.OTHER
        signal = classify(text)
        if self._verifier.is_complete and signal in (Signal.OTHER, Signal.WRITTEN):
            # The announced length was reached and something else than the END marker follows.
            return Signal.WRITTEN
        if signal is Signal.BASE64:
            self._accept(line, text, seq)
            # Other cores may go on logging for ever: only the dump's own lines keep the capture alive.
            is_complete = self._verifier.is_complete
            self.deadline = now + (self._limits.complete_grace_s if is_complete else self._limits.coredump_idle_s)
        elif signal is Signal.OTHER:
            self._rejected += line
            self._rejected_lines += 1
            self._rejected_bytes += len(line)
        elif signal is Signal.END:
            self._last_seq = seq
        elif signal is Signal.BANNER:
            self.salvage(text, seq)
        return signal

    def salvage(self, text: bytes, seq: int) -> None:
        """Takes what a cut line still holds: its whole groups of four base64 characters."""
        if self._verifier.is_complete:
            return
        banner = find_banner(text)
        cut = text[: banner.start()] if banner else text
        run = _BASE64_RUN.match(cut)
        if run is not None and run.end() == len(cut):
            usable = cut[: len(cut) // 4 * 4]
            if usable:
                self._accept(usable + b"\n", usable, seq)

    def limit_reached(self) -> CaptureEndReason | None:
        """The limit that ends the capture now, if one does."""
        # Each is a file of its own; what does not belong to the dump may not fill the disk either.
        if max(self._raw_bytes, self._rejected_bytes) >= self._limits.coredump_text_bytes:
            return "size_limit"
        if self._accepted_lines + self._rejected_lines >= self._limits.coredump_lines:
            return "line_limit"
        return None

    def deadline_reason(self) -> CaptureEndReason:
        """What it means that the deadline passed."""
        return "complete" if self._verifier.is_complete else "idle_timeout"

    @property
    def progress_deadline(self) -> float | None:
        """When what arrived since the last progress event is to be told, also if nothing follows."""
        return None if self._told_bytes == self._raw_bytes else self._last_progress + self._limits.progress_s

    def progress(self, now: float) -> CoredumpProgress | None:
        """A progress event when the last one is long enough ago."""
        if now < self._last_progress + self._limits.progress_s:
            return None
        self._last_progress = now
        self._told_bytes = self._raw_bytes
        header = self._verifier.header
        return CoredumpProgress(
            self.id,
            self._raw_bytes,
            self._accepted_lines,
            self._verifier.received_bytes,
            None if header is None else header.total_bytes,
            round(now - self._started, 3),
        )

    def take_bytes(self) -> CapturedBytes | None:
        """What is to be written and was not taken yet."""
        if not self._text and not self._rejected:
            return None
        taken = CapturedBytes(self.id, bytes(self._text), bytes(self._decoded), bytes(self._rejected))
        self._text.clear()
        self._decoded.clear()
        self._rejected.clear()
        return taken

    def end(self, reason: CaptureEndReason) -> CaptureEnding:
        """The result. Nothing may be fed afterwards."""
        verifier = self._verifier
        if verifier.is_complete and reason != "end_marker":
            reason = "complete"
        state: CaptureState = "captured" if verifier.is_complete else "partial"
        header = verifier.header
        return CaptureEnding(
            CoredumpEnded(
                self.id,
                state,
                reason,
                self._raw_bytes,
                self._accepted_lines,
                self._rejected_lines,
                verifier.received_bytes,
                None if header is None else header.total_bytes,
                verifier.verdict(),
                self._first_seq,
                self._last_seq,
                "",
            ),
            header,
        )

    def _accept(self, line: bytes, text: bytes, seq: int) -> None:
        # Both patterns and the length by fours leave nothing that does not decode.
        decoded = binascii.a2b_base64(text)
        self._verifier.receive(decoded)
        self._text += line
        self._decoded += decoded
        self._raw_bytes += len(line)
        self._accepted_lines += 1
        self._last_seq = seq
