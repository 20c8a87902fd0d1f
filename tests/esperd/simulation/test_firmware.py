from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from esperd.simulation.scenarios import FIRMWARE_ELF

if TYPE_CHECKING:
    from collections.abc import Callable

FIRMWARE = Path(__file__).parents[3] / "firmware"
GCC = "riscv64-unknown-elf-gcc"
QEMU = "qemu-system-riscv32"
RECORDED_WITH = "12.2.0"
"""The compiler of Debian 12; another one makes another ELF file."""
RUN = """
import pathlib, sys, trio
from firmware.emulator import Scenario, run_firmware

async def main():
    async with run_firmware(pathlib.Path(sys.argv[1]), Scenario.CONSOLE) as session:
        at = (await session.wait_for(rb"esp> ")).end()
        await session.send("crash\\r\\n")
        await session.wait_for(rb"Rebooting.*rst:0xc", after=at)
        sys.stdout.buffer.write(session.data)

trio.run(main)
"""


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which(GCC) is None:
        pytest.skip(f"{GCC} is not installed (Debian: gcc-riscv64-unknown-elf)")
    folder = tmp_path_factory.mktemp("firmware")
    subprocess.run(["make", "-s", "-C", str(FIRMWARE), f"BUILD={folder}"], check=True, timeout=120)
    return folder / "greenhouse.elf"


@pytest.mark.slow
def test_the_firmware_builds_to_the_shipped_elf(elf: Path) -> None:
    assert elf.read_bytes()[:4] == b"\x7fELF"
    version = subprocess.run([GCC, "-dumpfullversion"], check=True, capture_output=True, text=True).stdout
    if version.strip() != RECORDED_WITH:
        pytest.skip(f"the shipped ELF file was built with {GCC} {RECORDED_WITH}, this is {version.strip()}")
    assert hashlib.sha256(elf.read_bytes()).digest() == hashlib.sha256(FIRMWARE_ELF.read_bytes()).digest()


@pytest.mark.slow
async def test_the_firmware_boots_and_crashes_with_a_valid_dump(
    elf: Path, core_dumps: Callable[[bytes], list[bytes]]
) -> None:
    if shutil.which(QEMU) is None:
        pytest.skip(f"{QEMU} is not installed (Debian: qemu-system-misc)")
    with trio.fail_after(60):
        finished = await trio.run_process(
            [sys.executable, "-c", RUN, str(elf)],
            capture_stdout=True,
            cwd=FIRMWARE.parent,
        )
    sha256 = hashlib.sha256(await trio.Path(elf).read_bytes()).hexdigest()
    assert f"ELF file SHA256:  {sha256[:9]}...".encode() in finished.stdout
    [dump] = core_dumps(finished.stdout)
    assert sha256[:9].encode() + b"\0" in dump
