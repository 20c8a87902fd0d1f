"""``esperctl elf add``: gives ELF files to the daemons, which keep them by their SHA-256."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from esper_protocol.messages import ElfStored
from esper_protocol.records import ElfRecord
from esperctl.arguments import Arguments, Parser
from esperctl.daemons import open_daemons
from esperctl.errors import EXIT_DONE, EXIT_NO, EsperctlError, FailedError, RequestError
from esperctl.output import Output
from esperctl.safe_text import safe_text
from esperctl.stored_files import send_elf

DESCRIPTION = """\
Give ELF files to the daemons: files, or all *.elf files of folders. Core
dumps that waited for one of them are decoded at once."""
# build/app.elf, build/bootloader/bootloader.elf, .pio/build/board/firmware.elf; beyond that it is not an output.
_MAX_DEPTH: Final = 4


def add_arguments(parser: Parser) -> None:
    """Adds the paths."""
    parser.add_argument("paths", metavar="PATH", nargs="+", help="an ELF file, or a folder with such files")


def run(arguments: Arguments, output: Output) -> int:
    """Sends each file to every daemon; the first failure decides the exit code."""
    code = EXIT_DONE
    added: list[dict[str, object]] = []
    with open_daemons(arguments.socket, output) as daemons:
        for path, is_named in _files(arguments.paths):
            for daemon in daemons.found:
                try:
                    stored, is_new = send_elf(daemon.client, path, output)
                except EsperctlError as error:
                    code = code or _refused(error, path, output, is_named=is_named)
                else:
                    added.append(_describe(stored, daemon.record.state_dir, is_new=is_new))
                    if not arguments.json and stored.elf is not None:
                        _say(stored.elf, stored.decoding, output, is_new=is_new)
    if arguments.json:
        output.document(added)
    if not added and code == EXIT_DONE:
        raise FailedError("there is no ELF file of an ESP chip in what you named")
    return code


def _files(paths: list[str]) -> Iterator[tuple[Path, bool]]:
    """The files, and whether they were named themselves."""
    for text in paths:
        if os.path.isdir(text):  # noqa: PTH112 - what may not be looked at is no error yet: it will not be read, either
            for file in _elf_files(Path(text)):
                yield file, False
        else:
            yield Path(text), True


def _elf_files(folder: Path) -> Iterator[Path]:
    """Those in it, and the folders that can't be looked into, which can't be read for the same reason."""
    closed: list[Path] = []
    for parent, folders, names in os.walk(folder, onerror=lambda error: closed.append(Path(error.filename))):
        folders[:] = sorted(name for name in folders if name not in (".git", "CMakeFiles"))
        if len(Path(parent).relative_to(folder).parts) >= _MAX_DEPTH - 1:
            folders.clear()
        for name in sorted(names):
            # To open a pipe of that name would wait for its writer.
            if name.endswith(".elf") and os.path.isfile(f"{parent}/{name}"):  # noqa: PTH113 - as above
                yield Path(parent) / name
    yield from closed


def _refused(error: EsperctlError, path: Path, output: Output, *, is_named: bool) -> int:
    """Says so; a folder may hold the ELF files of other things, which is no failure."""
    if not is_named and isinstance(error, RequestError) and error.code == "bad_request":
        output.talk(f"{path}: not taken: {error.message}")
        return EXIT_DONE
    output.warn(error)
    # The command line was right, it is the file that is not.
    return EXIT_NO if isinstance(error, RequestError) and error.code == "bad_request" else error.exit_code


def _describe(stored: ElfStored, state_dir: str, *, is_new: bool) -> dict[str, object]:
    fields = {} if stored.elf is None else msgspec.structs.asdict(stored.elf)
    return {**fields, "added": is_new, "state_dir": state_dir, "decoding": stored.decoding}


def _say(elf: ElfRecord, decoding: list[str], output: Output, *, is_new: bool) -> None:
    parts = [elf.sha256[:16], elf.project or elf.name, elf.version or "", "added" if is_new else "known already"]
    text = "  ".join(part for part in parts if part)
    if decoding:
        text += f"; decoding {', '.join(decoding)}"
    output.line(safe_text(text))
