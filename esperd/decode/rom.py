"""The ELF file of a chip's mask ROM, which gives names and unwinding rules to the functions in it.

Source of the names and of the rule for revisions: the releases of espressif/esp-rom-elfs and their README:
``esp32c3_rev3_rom.elf`` is for revision 0.3 and those after it up to the next file's (100 * major + minor).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from esperd.decode.program import Machine, Program, ProgramError

ROM_DIRECTORY_VARIABLE: Final = "ESP_ROM_ELF_DIR"
_TOOLS_VARIABLE: Final = "IDF_TOOLS_PATH"
_DEFAULT_TOOLS: Final = ".espressif"
_NAME: Final = re.compile(r"(esp32(?:[a-z][0-9]{1,3})?)_rev([0-9]{1,5})_rom\.elf")
# An installation has one version, or a few that were left by updates.
_MAX_VERSIONS: Final = 32


@dataclass(frozen=True, slots=True)
class RomFile:
    """What a file's name says; it may be damaged, or no ELF file at all."""

    chip: str
    revision: int
    path: Path


def rom_file(name: str, path: Path) -> RomFile | None:
    """What *name* says of the file at *path*; None when it is not the name of a ROM's ELF file."""
    found = _NAME.fullmatch(name)
    return None if found is None else RomFile(found[1], int(found[2]), path)


def is_rom_name(name: str) -> bool:
    """Whether a file of that name is a ROM's, and so no program that a dump may be of."""
    return _NAME.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class RomSearch:
    """Where to look, the better places first: a folder of the user's, the ELF store, ESP-IDF's tools.

    Args:
        environment: The variables of the process.
        stored: Files of the ELF store as (name it was added under, path).
    """

    environment: Mapping[str, str]
    stored: tuple[tuple[str, Path], ...] = ()

    def candidates(self, chip: str | None, revision: int | None) -> list[Path]:
        """The files that may be the ROM's of a chip, best first: its revision, then lower ones.

        For a chip of unknown revision only where all that is there is of one revision: the names that another one
        gives are wrong ones.
        """
        found = [file for file in self._files() if file.chip == chip]
        if revision is None:
            return [file.path for file in found] if len({file.revision for file in found}) == 1 else []
        fitting = [file for file in found if file.revision <= revision]
        return [file.path for file in sorted(fitting, key=lambda file: file.revision, reverse=True)]

    def _files(self) -> Iterable[RomFile]:
        if own := self.environment.get(ROM_DIRECTORY_VARIABLE):
            yield from _roms_in(Path(own))
        for name, path in self.stored:
            if file := rom_file(name, path):
                yield file
        for directory in self._installed():
            yield from _roms_in(directory)

    def _installed(self) -> list[Path]:
        """The folders of ESP-IDF's installations, the newest first: they are named by date."""
        tools = self.environment.get(_TOOLS_VARIABLE)
        home = self.environment.get("HOME")
        if tools:
            root = Path(tools)
        elif home:
            root = Path(home) / _DEFAULT_TOOLS
        else:
            return []
        return _children(root / "tools" / "esp-rom-elfs")[::-1][:_MAX_VERSIONS]


def open_rom(candidates: Iterable[Path], machine: Machine, warnings: list[str]) -> Program | None:
    """The first that can be used; *warnings* gets a line for each that can't."""
    for path in candidates:
        try:
            program = Program.open(path, is_rom=True)
        except ProgramError as error:
            warnings.append(f"rom_unusable: functions in ROM may have no names: {error}")
            continue
        if program.machine == machine:
            return program
        warnings.append(f"rom_unusable: {path} is for {program.machine}, the dump is of a chip with {machine}")
        program.close()
    return None


def _roms_in(directory: Path) -> Iterable[RomFile]:
    for path in _children(directory):
        if file := rom_file(path.name, path):
            yield file


def _children(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except OSError:
        # Most machines have no such folder.
        return []
