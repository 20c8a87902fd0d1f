"""The toolchains' GDBs, for ``esperctl coredumps debug`` and Espressif's decoder; nothing else needs one."""

import os
import shlex
from collections.abc import Iterator
from typing import Final

from esperctl.doctor.findings import Finding, fine
from esperctl.doctor.machine import Machine
from esperctl.doctor.survey import Survey

_XTENSA_CHIPS: Final = ("esp32", "esp32s2", "esp32s3")


def check(machine: Machine, survey: Survey) -> Iterator[Finding]:
    """One finding for each architecture that the boards or core dumps are of."""
    chips = {board.chip for board in survey.boards} | {
        dump.chip for answer in survey.answers for dump in answer.coredumps
    }
    for family in sorted({_family(chip) for chip in chips if chip is not None}):
        names = _programs(family, chips)
        found = next((path for name in names if (path := _on_path(machine, name)) is not None), None)
        if found is not None:
            yield fine("gdb", family, found)
            continue
        yield Finding(
            code="no_gdb",
            severity="note",
            subject=family,
            what=f"{' or '.join(names)} is not on the PATH: only `esperctl coredumps debug` and"
            " `--backend esp-coredump` need it; ESP-IDF has it",
            mend=_installation(machine, family),
        )


def _installation(machine: Machine, family: str) -> str | None:
    folders = (machine.environment.get("IDF_PATH"), f"{machine.environment.get('HOME', '')}/esp/esp-idf")
    exports = [f"{folder}/export.sh" for folder in folders if folder and machine.exists(f"{folder}/export.sh")]
    if exports:
        return f". {shlex.quote(exports[0])}"
    if family == "RISC-V" and machine.exists("/etc/debian_version"):
        return "sudo apt-get install gdb-multiarch"
    return None


def _family(chip: str) -> str:
    return "Xtensa" if chip in _XTENSA_CHIPS else "RISC-V"


def _programs(family: str, chips: set[str | None]) -> list[str]:
    if family == "RISC-V":
        return ["riscv32-esp-elf-gdb", "gdb-multiarch"]
    # Newer toolchains have one for each chip, and all have the first, which reads cores of any of them.
    own = sorted(f"xtensa-{chip}-elf-gdb" for chip in chips if chip in _XTENSA_CHIPS and chip != "esp32")
    return ["xtensa-esp32-elf-gdb", *own, "xtensa-esp-elf-gdb"]


def _on_path(machine: Machine, name: str) -> str | None:
    for folder in machine.environment.get("PATH", "").split(":"):
        if folder.startswith("/") and os.access(machine.path(f"{folder}/{name}"), os.X_OK):
            return f"{folder}/{name}"
    return None
