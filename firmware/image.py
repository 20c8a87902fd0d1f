"""From the ELF file to the image that runs: writes the ELF file's SHA-256 into the application description.

ESP-IDF does the same: the ELF file holds zeros there, the image in flash holds the hash of the ELF file.
"""

from __future__ import annotations

import hashlib
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

IMAGE_ADDRESS = 0x80000000
"""Where QEMU's ``-bios`` puts an image on the machine ``virt``; the same as in ``memory.ld``."""
SHA_OFFSET = 4 + 32 + 32
"""Of ``app_elf_sha256`` in ``struct app_description`` (``src/app_description.h``)."""


def build(folder: Path, build_folder: Path) -> Path:
    """Build the firmware of ``folder``; returns the ELF file, the image lies beside it as ``.bin``."""
    subprocess.run(["make", "-s", "-C", str(folder), f"BUILD={build_folder}"], check=True)
    return build_folder / "greenhouse.elf"


def symbols(elf: Path) -> dict[str, int]:
    """Addresses of the ELF file's symbols."""
    listing = subprocess.run(["riscv64-unknown-elf-nm", str(elf)], check=True, capture_output=True, text=True).stdout
    return {line.split()[2]: int(line.split()[0], 16) for line in listing.splitlines()}


def stamp(elf: Path) -> Path:
    """Write the image that runs beside ``elf``; returns its path."""
    image = bytearray(elf.with_suffix(".bin").read_bytes())
    at = symbols(elf)["app_description"] - IMAGE_ADDRESS + SHA_OFFSET
    image[at : at + 32] = hashlib.sha256(elf.read_bytes()).digest()
    stamped = elf.with_suffix(".stamped.bin")
    stamped.write_bytes(image)
    return stamped
