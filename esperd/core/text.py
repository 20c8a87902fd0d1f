"""What all detectors need to know of ESP-IDF log text: colours off, log prefixes, and what is only a quotation."""

import re
from typing import Final

_SGR: Final = re.compile(rb"\x1b\[[0-9;:]*m")
# esp_log: level letter, timestamp in brackets (milliseconds or a clock time), tag, colon.
# Source: esp-idf components/log/include/esp_log.h, LOG_FORMAT and LOG_SYSTEM_TIME_FORMAT.
# The Wi-Fi library puts no space after the colon.
LOG_PREFIX: Final = re.compile(rb"^[EWIDV] \([0-9: .\-]+\) ([^:\s]+): ?")
# The longest text that the firmware prints in one piece is an assertion with its expression and path. A whole line of
# 64 KiB, four times as long where it is not UTF-8, would make an event larger than a client takes.
_TEXT_BYTES: Final = 1024


def strip_line(line: bytes) -> bytes:
    """*line* without colours and without white space at either end."""
    if b"\x1b" in line:
        line = _SGR.sub(b"", line)
    return line.strip()


def is_quoted(text: bytes, start: int) -> bool:
    """Whether what stands at *start* of the stripped line *text* is only mentioned there, not said.

    The panic handler writes straight to the UART: its text begins a line, follows a prompt, or is glued to
    what another core had just put out. A text inside the message of a log line, or after a quotation mark,
    is a quotation.
    """
    if start == 0:
        return False
    before = text[start - 1 : start]
    if before in b"\"'`":
        return True
    log = LOG_PREFIX.match(text)
    return log is not None and (start == log.end() or before in b" \t([{<:=")


def to_text(data: bytes) -> str:
    """Bytes of the board as text that is safe to store: bounded, and what is not UTF-8 is escaped."""
    return data[:_TEXT_BYTES].decode("utf-8", "backslashreplace")
