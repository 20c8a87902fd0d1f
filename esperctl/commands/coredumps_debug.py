"""``esperctl coredumps debug``: GDB on a stored core dump."""

import shutil
import signal
import struct
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from esper_protocol.messages import CoredumpDetails
from esperctl.arguments import Arguments, Parser
from esperctl.client import Client
from esperctl.container import NotElfError, elf_of
from esperctl.daemons import open_daemons
from esperctl.errors import EXIT_DONE, FailedError
from esperctl.output import Output
from esperctl.stored_files import read_file

DESCRIPTION = "Start GDB on a stored core dump, with the program that it is of."
_XTENSA_CHIPS: Final = ("esp32", "esp32s2", "esp32s3")
_XTENSA_GDB: Final = ("xtensa-esp32-elf-gdb",)
_RISCV_GDB: Final = ("riscv32-esp-elf-gdb", "gdb-multiarch")
_CORE_FILE: Final = "core.bin"
# The magic number and e_machine. Source: elf(5).
_ELF_HEAD: Final = struct.Struct("<4s14xH")
_ELF_MAGIC: Final = b"\x7fELF"
_MACHINES: Final = {94: "Xtensa", 243: "RISC-V"}
_WITH_ARTICLE: Final = {"Xtensa": "an Xtensa", "RISC-V": "a RISC-V"}


def add_arguments(parser: Parser) -> None:
    """Adds the id, the program and the debugger."""
    parser.add_argument("id", metavar="ID", help="as in `esperctl coredumps list`")
    parser.add_argument("--elf", metavar="ELF", help="the program; default: the one that the dump was decoded with")
    parser.add_argument("--gdb", metavar="PATH", help="default: the one for the chip that is on the PATH")


def run(arguments: Arguments, output: Output) -> int:
    """Copies core and program into a folder, and runs GDB there until its user leaves it."""
    with open_daemons(arguments.socket, output) as daemons:
        client, details = daemons.coredump(arguments.id)
        gdb = arguments.gdb or _find_gdb(details)
        elf = _find_elf(details, arguments.elf)
        with tempfile.TemporaryDirectory(prefix="esperctl-") as folder:
            core = Path(folder) / f"{details.record.id}.core"
            program = Path(folder) / elf.name
            try:
                shutil.copyfile(elf, program)
            except OSError as error:
                raise FailedError(
                    f"{elf} can't be read: {error.strerror or error}", "name the program with --elf"
                ) from error
            _check_chip(program, elf, details.record.chip)
            _download(client, details, core)
            daemons.close()
            _run_gdb(gdb, program, core)
    return EXIT_DONE


def _find_gdb(details: CoredumpDetails) -> str:
    chip = details.record.chip
    if chip is None:
        raise FailedError(f"{details.record.id} does not say of which chip it is", "name a GDB with --gdb")
    names = _XTENSA_GDB if chip in _XTENSA_CHIPS else _RISCV_GDB
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        raise FailedError(
            f"there is no GDB for {chip}: {' or '.join(names)} is not on the PATH",
            "install it (ESP-IDF has it: `. export.sh`), name one with --gdb, or read `esperctl coredumps decode`",
        )
    return found


def _find_elf(details: CoredumpDetails, named: str | None) -> Path:
    path = named or details.record.decode.elf_path
    if path is None:
        sha256 = details.record.app_sha256
        which = f", whose SHA-256 begins with {sha256}" if sha256 else ""
        raise FailedError(f"the program of {details.record.id} is not known{which}", "name it with --elf")
    return Path(path).absolute()


def _check_chip(program: Path, elf: Path, chip: str | None) -> None:
    """Refuses a copy of *elf* that is for another kind of processor, which GDB would make nonsense of."""
    with program.open("rb") as file:
        head = file.read(_ELF_HEAD.size)
    magic, number = _ELF_HEAD.unpack(head.ljust(_ELF_HEAD.size, b"\0"))
    machine = _MACHINES.get(number)
    if magic != _ELF_MAGIC or machine is None:
        raise FailedError(f"{elf} is no program of an ESP chip", "name the program with --elf")
    wanted = machine if chip is None else "Xtensa" if chip in _XTENSA_CHIPS else "RISC-V"
    if machine != wanted:
        raise FailedError(
            f"{elf} is a program for {machine} chips, and the core dump is of {_WITH_ARTICLE[wanted]} chip",
            "name the program with --elf",
        )


def _download(client: Client, details: CoredumpDetails, path: Path) -> None:
    try:
        with path.open("wb") as file:
            for part in elf_of(read_file(client, details.record.id, _CORE_FILE)):
                file.write(part)
    except NotElfError as error:
        raise FailedError(f"GDB can't read {details.record.id}: {error}", "`esperctl coredumps decode` can") from error


def _run_gdb(gdb: str, program: Path, core: Path) -> None:
    command = [gdb, "--nx", "--quiet"]
    if gdb.endswith("gdb-multiarch"):
        # Debian's takes the core for one of Linux, and then knows no threads.
        command += ["-iex", "set osabi none"]
    # Ctrl-C is for GDB, which shares our terminal; it must not end us before it. A handler, because a signal that is
    # ignored would be ignored by GDB, too.
    before = signal.signal(signal.SIGINT, _leave_to_gdb)
    try:
        subprocess.run([*command, str(program), str(core)], cwd=core.parent, check=False)
    except OSError as error:
        raise FailedError(f"{gdb} can't be started: {error.strerror}") from error
    finally:
        signal.signal(signal.SIGINT, before)


def _leave_to_gdb(number: int, frame: object) -> None:
    """Does nothing with a signal that GDB gets, too."""
