"""Damage to core dumps, as bad wires, other writers and hostile firmware do it; what is done follows from a seed."""

import binascii
import random
import struct
from collections.abc import Callable
from typing import Final

from esperd.core.container import CHIP_NAMES, VERSIONS
from esperd.testing.dumps import END_LINE, START_LINE, base64_lines

_LOG_LINES: Final = (
    b"I (1234) wifi: connected\r\n",
    b"\x1b[0;31mE (77) task_wdt: Task watchdog got triggered\x1b[0m\r\n",
    b"rst:0xc (SW_CPU_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n",
    b"AAAA\r\n",
    b"\xff\xfe\x00\r\n",
    START_LINE,
    END_LINE,
)
# What counts and sizes are set to: nothing, one, the limits of their types, and what lies just beyond a sign.
_NUMBERS: Final = (0, 1, 3, 0x7F, 0xFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFC, 0xFFFFFFFF)
_ELF_HEADER_AT: Final = 24
_PROGRAM_HEADER_BYTES: Final = 32


def decoded_lines(text: bytes) -> bytes:
    """What the base64 lines of an undamaged text are; lines that are none are left out."""
    decoded = bytearray()
    for line in text.split():
        try:
            decoded += binascii.a2b_base64(line, strict_mode=True)
        except binascii.Error:
            continue
    return bytes(decoded)


def damaged_text(image: bytes, generator: random.Random) -> bytes:
    """A dump as text whose lines or characters were damaged."""
    lines = [START_LINE, *base64_lines(image), END_LINE]
    for _ in range(generator.choice((1, 1, 2, 5, 20))):
        generator.choice(_TO_LINES)(lines, generator)
    return b"".join(lines)


def damaged_image(image: bytes, generator: random.Random) -> bytes:
    """A dump as its container whose bytes, header or notes were damaged; sometimes as text again."""
    damaged = bytearray(image)
    for _ in range(generator.choice((1, 1, 2, 5, 20))):
        generator.choice(_TO_IMAGES)(damaged, generator)
    if generator.random() < 0.2:
        return b"".join(base64_lines(bytes(damaged)))
    return bytes(damaged)


# Lines ----------------------------------------------------------------------------------------------------


def _delete_line(lines: list[bytes], generator: random.Random) -> None:
    if lines:
        del lines[generator.randrange(len(lines))]


def _duplicate_line(lines: list[bytes], generator: random.Random) -> None:
    if lines:
        index = generator.randrange(len(lines))
        lines.insert(index, lines[index])


def _swap_lines(lines: list[bytes], generator: random.Random) -> None:
    if lines:
        one, other = generator.randrange(len(lines)), generator.randrange(len(lines))
        lines[one], lines[other] = lines[other], lines[one]


def _insert_log_line(lines: list[bytes], generator: random.Random) -> None:
    lines.insert(generator.randrange(len(lines) + 1), generator.choice(_LOG_LINES))


def _insert_into_line(lines: list[bytes], generator: random.Random) -> None:
    if lines:
        index = generator.randrange(len(lines))
        at = generator.randrange(len(lines[index]) + 1)
        lines[index] = lines[index][:at] + generator.choice(_LOG_LINES) + lines[index][at:]


def _change_character(lines: list[bytes], generator: random.Random) -> None:
    if lines:
        index = generator.randrange(len(lines))
        line = bytearray(lines[index])
        if line:
            line[generator.randrange(len(line))] = generator.randrange(256)
        lines[index] = bytes(line)


def _cut_line(lines: list[bytes], generator: random.Random) -> None:
    if lines:
        index = generator.randrange(len(lines))
        lines[index] = lines[index][: generator.randrange(len(lines[index]) + 1)]


# Bytes ----------------------------------------------------------------------------------------------------


def _flip_bits(image: bytearray, generator: random.Random) -> None:
    if image:
        image[generator.randrange(len(image))] ^= generator.randrange(1, 256)


def _insert_bytes(image: bytearray, generator: random.Random) -> None:
    at = generator.randrange(len(image) + 1)
    image[at:at] = generator.randbytes(generator.choice((1, 3, 4, 48)))


def _delete_bytes(image: bytearray, generator: random.Random) -> None:
    at = generator.randrange(len(image) + 1)
    del image[at : at + generator.choice((1, 3, 4, 48, 4096))]


def _set_header_word(image: bytearray, generator: random.Random) -> None:
    word = generator.choice((*_NUMBERS, generator.choice(tuple(CHIP_NAMES)) << 16 | generator.choice(tuple(VERSIONS))))
    _put(image, 4 * generator.randrange(6), word)


def _set_elf_field(image: bytearray, generator: random.Random) -> None:
    """A half-word of the ELF header, where there is one: type, machine, offsets, sizes, counts."""
    start = _elf_start(image)
    if start >= 0:
        at = start + 16 + 2 * generator.randrange(18)
        if at + 2 <= len(image):
            struct.pack_into("<H", image, at, generator.choice(_NUMBERS) & 0xFFFF)


def _set_program_header_field(image: bytearray, generator: random.Random) -> None:
    start = _elf_start(image)
    if start >= 0 and len(image) >= start + 52:
        count = struct.unpack_from("<H", image, start + 44)[0]
        header = start + 52 + _PROGRAM_HEADER_BYTES * generator.randrange(min(count, 64) + 1)
        _put(image, header + 4 * generator.randrange(8), generator.choice((*_NUMBERS, generator.randrange(1 << 16))))


def _set_note_field(image: bytearray, generator: random.Random) -> None:
    """The size of the name, the size of the description, the type, or a word of the content of some note."""
    names = [at for name in (b"CORE\0", b"ESP_", b"EXTRA") if (at := image.find(name)) >= 12]
    if names:
        start = generator.choice(names) - 12
        _put(
            image,
            start + 4 * generator.randrange(24),
            generator.choice((*_NUMBERS, 677, 678, 679, 8266, generator.randrange(700))),
        )


def _set_any_word(image: bytearray, generator: random.Random) -> None:
    if len(image) >= 4:
        _put(image, generator.randrange(len(image) // 4) * 4, generator.choice(_NUMBERS))


def _put(image: bytearray, at: int, word: int) -> None:
    if at + 4 <= len(image):
        struct.pack_into("<I", image, at, word)


def _elf_start(image: bytearray) -> int:
    return image.find(b"\x7fELF", 0, _ELF_HEADER_AT + 8)


_TO_LINES: Final[tuple[Callable[[list[bytes], random.Random], None], ...]] = (
    _delete_line,
    _duplicate_line,
    _swap_lines,
    _insert_log_line,
    _insert_into_line,
    _change_character,
    _cut_line,
)
_TO_IMAGES: Final[tuple[Callable[[bytearray, random.Random], None], ...]] = (
    _flip_bits,
    _insert_bytes,
    _delete_bytes,
    _set_header_word,
    _set_elf_field,
    _set_program_header_field,
    _set_note_field,
    _set_any_word,
)
