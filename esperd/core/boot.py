"""Boots: the ROM's reset line starts one; the boot log then says which application runs.

Source: the ROM's strings as in esp-idf tools/test_apps/system/panic; components/esp_system/startup_funcs.c and
components/esp_app_format/esp_app_desc.c for what the application prints of itself.
"""

import re
from dataclasses import dataclass
from typing import Final

from esper_protocol.events import App, Boot
from esperd.core.limits import CoreLimits
from esperd.core.text import is_quoted, to_text

# `rst:0xc (SW_CPU_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)`, at the start or after garbage of another baud rate.
_RESET: Final = re.compile(
    rb"(?:^|[^\t\x20-\x7e])rst:0x([0-9a-fA-F]{1,8})(?: \(([^)]{1,64})\)(?:,boot:(0x[0-9a-f]{1,8}[^,]{0,64}))?)?"
)
_BOOTLOADER: Final = re.compile(rb"(?:[EWIDV] \([0-9: .\-]+\) )?boot: ESP-IDF (\S{1,64}) 2nd stage bootloader")
# What begins a boot before the reset line: the banners of the mask ROMs. They may be glued to a cut line.
_BANNER: Final = re.compile(rb"ESP-ROM:esp|ets [A-Z][a-z]{2} [ 0-9][0-9] [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_ROM_CHIP: Final = re.compile(rb"ESP-ROM:(esp[0-9a-z]+)|boot\.(esp32[0-9a-z]*): ")
_APP_FIELD: Final = re.compile(
    rb"^[EWIDV] \([0-9: .\-]+\) (?:app_init|cpu_start): "
    rb"(Project name|App version|ELF file SHA256|ESP-IDF):\s+(\S[^\r\n]*)"
)
_FIELD_NAMES: Final = {
    b"Project name": "project",
    b"App version": "version",
    b"ELF file SHA256": "elf_sha256",
    b"ESP-IDF": "idf_version",
}
_HEX_PREFIX: Final = re.compile(r"[0-9a-fA-F]+")

# ESP8684 is the name that the ROM of the ESP32-C2 prints.
_CHIP_NAMES: Final = {"esp8684": "esp32c2"}
# A boot log is about 60 lines before app_main; an application that says nothing must not be watched for ever.
_WATCHED_LINES: Final = 300

# `ets J`: the ROMs that say `ets` were built in June 2016 and July 2019.
ANCHORS: Final = (b"rst:0x", b"2nd stage bootloader", b"ESP-ROM:esp", b"ets J")


def find_banner(text: bytes) -> re.Match[bytes] | None:
    """The ROM's banner in the stripped line *text*, unless it is only quoted there."""
    match = _BANNER.search(text)
    return None if match is None or is_quoted(text, match.start()) else match


def _find_bootloader(text: bytes) -> re.Match[bytes] | None:
    match = _BOOTLOADER.search(text)
    return None if match is None or is_quoted(text, match.start()) else match


def is_boot(text: bytes) -> bool:
    """Whether the stripped line *text* says that the chip has started anew: banner, reset line or bootloader."""
    return any(match(text) is not None for match in (find_banner, _RESET.search, _find_bootloader))


@dataclass(slots=True)
class _Watch:
    """What the boot log said so far."""

    fields: dict[str, str]
    first_seq: int
    last_seq: int
    lines: int = 0
    bootloader_seen: bool = False


class BootDetector:
    """Counts nothing itself: it says that a boot began, and later what runs."""

    def __init__(self, limits: CoreLimits) -> None:
        self._limits = limits
        self._watch: _Watch | None = None
        self.deadline: float | None = None
        self._chip: str | None = None

    @property
    def is_active(self) -> bool:
        """Whether it must see every line, not only those with an anchor."""
        return self._watch is not None

    @property
    def elf_sha256(self) -> str | None:
        """What the boot log that is being printed told of the program."""
        return None if self._watch is None else self._watch.fields.get("elf_sha256")

    def on_line(self, text: bytes, seq: int, now: float) -> list[Boot | App]:
        """Looks at one stripped line."""
        found: list[Boot | App] = []
        reset = _RESET.search(text)
        if reset is not None and reset[2] is not None:
            found += self.finish()
            code, reason, mode = reset.groups()
            found.append(Boot(int(code, 16), to_text(reason), None if mode is None else to_text(mode.strip()), seq))
            self._watch = _Watch({}, seq, seq)
        elif bootloader := _find_bootloader(text):
            found += self._on_bootloader(bootloader, seq)
        self._note_chip(text)
        if self._watch is not None:
            found += self._on_watched_line(self._watch, text, seq)
        has_fields = self._watch is not None and self._watch.fields
        self.deadline = now + self._limits.app_idle_s if has_fields else None
        return found

    def note_banner(self, text: bytes) -> None:
        """Takes the chip's name from a ROM banner."""
        self._chip = "esp32" if b"ets " in text else None
        self._note_chip(text)

    def finish(self) -> list[Boot | App]:
        """Ends the watch: something else happens now, or the boot log is over."""
        watch, self._watch = self._watch, None
        self.deadline = None
        if watch is None or not watch.fields:
            return []
        fields = watch.fields
        return [
            App(
                fields.get("project"),
                fields.get("version"),
                fields.get("idf_version"),
                fields.get("elf_sha256"),
                watch.first_seq,
                watch.last_seq,
                self._chip,
            )
        ]

    def _on_bootloader(self, bootloader: re.Match[bytes], seq: int) -> list[Boot | App]:
        found: list[Boot | App] = []
        if self._watch is None or self._watch.bootloader_seen:
            # The ROM's lines are missing: another baud rate, or a console that the ROM does not know.
            found += self.finish()
            found.append(Boot(0, "unknown: the reset line was not seen", None, seq))
            self._watch = _Watch({}, seq, seq)
        self._watch.bootloader_seen = True
        self._watch.fields["idf_version"] = to_text(bootloader[1])
        self._watch.last_seq = seq
        return found

    def _note_chip(self, text: bytes) -> None:
        if chip := _ROM_CHIP.search(text):
            name = to_text(chip[1] or chip[2])
            self._chip = _CHIP_NAMES.get(name, name)

    def _on_watched_line(self, watch: _Watch, text: bytes, seq: int) -> list[Boot | App]:
        watch.lines += 1
        if field := _APP_FIELD.match(text):
            name, value = _FIELD_NAMES[field[1]], to_text(field[2].strip())
            if name == "elf_sha256":
                digits = _HEX_PREFIX.match(value)
                value = digits[0].lower() if digits else ""
            if value:
                watch.fields[name] = value
                watch.last_seq = seq
        if b"Calling app_main()" in text or watch.lines >= _WATCHED_LINES:
            return self.finish()
        return []
