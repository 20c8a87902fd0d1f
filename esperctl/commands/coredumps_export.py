"""``esperctl coredumps export``: copies a core dump out of the daemon's store."""

import contextlib
import stat
import sys
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Final, Literal

from esper_protocol.messages import CoredumpDetails, FileData, ReadCoredumpFile
from esperctl.arguments import Arguments, Parser
from esperctl.client import Client
from esperctl.container import NotElfError, elf_of
from esperctl.daemons import open_daemons
from esperctl.errors import EXIT_DONE, FailedError, NotPermittedError, UsageError
from esperctl.output import Output
from esperctl.units import bytes_text
from esperctl.waiting_dumps import check_on_disk

DESCRIPTION = "Copy a core dump out: its text, its ELF file, or all of its files."
Format = Literal["b64", "elf", "tar"]
_FORMATS: Final[tuple[Format, ...]] = ("b64", "elf", "tar")
_BASE64_FILE: Final = "core.b64"
_CORE_FILE: Final = "core.bin"


def add_arguments(parser: Parser) -> None:
    """Adds the id, the file and the format."""
    parser.add_argument("id", metavar="ID", help="as in `esperctl coredumps list`")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="where to; - is standard output")
    parser.add_argument(
        "--format", choices=_FORMATS, help="tar: all files of the dump; default: as FILE's name ends, else b64"
    )


def run(arguments: Arguments, output: Output) -> int:
    """Downloads the dump into a file, or into stdout."""
    target: str = arguments.output
    form: Format = arguments.format or _format_of(target)
    if target == "-" and output.is_terminal and form != "b64":
        raise UsageError("a terminal can't show a binary file", "give -o FILE, or a pipe")
    with open_daemons(arguments.socket, output) as daemons:
        client, details = daemons.coredump(arguments.id)
        check_on_disk(daemons, client, details)
        download = _Download(client, details, output)
        if target == "-":
            _write(download, form, sys.stdout.buffer)
        else:
            _write_file(download, form, Path(target))
            output.talk(f"{target}: {form} of {details.record.id}")
    if details.record.capture != "captured":
        output.talk(f"{details.record.id} is not complete: {details.record.end_reason or details.record.capture}")
    return EXIT_DONE


def _format_of(target: str) -> Format:
    for form in _FORMATS:
        if target.endswith(f".{form}"):
            return form
    if target.endswith((".gz", ".tgz", ".bz2", ".xz", ".zst", ".zip")):
        raise UsageError(
            f"{target}: dumps are exported uncompressed", "name it *.tar, or say which --format it is to have"
        )
    return "b64"


class _Download:
    """The files of one dump, read in parts."""

    def __init__(self, client: Client, details: CoredumpDetails, output: Output) -> None:
        self._client = client
        self._output = output
        self.id = details.record.id
        self.sizes = {file.name: file.size_bytes for file in details.files}

    def read(self, name: str) -> Iterator[bytes]:
        """The parts of a file.

        Raises:
            FailedError: the dump has no such file.
        """
        if name not in self.sizes:
            raise FailedError(f"{self.id} has no {name}", f"its files: {', '.join(self.sizes) or 'none'}")
        offset, last = 0, False
        while not last:
            part = self._client.request(ReadCoredumpFile(self.id, name, offset), FileData)
            offset += len(part.data)
            # An empty part that is not the last would be asked for again and again.
            last = part.last or not part.data
            self._output.progress(f"{name}: {bytes_text(offset)} of {bytes_text(self.sizes[name])}")
            yield part.data


def _write(download: _Download, form: Format, file: IO[bytes]) -> None:
    match form:
        case "b64":
            _copy(download.read(_BASE64_FILE), file)
        case "elf":
            try:
                _copy(elf_of(download.read(_CORE_FILE)), file)
            except NotElfError as error:
                raise FailedError(
                    f"{download.id} can't be exported as ELF: {error}", "export it with --format b64 or tar"
                ) from error
        case "tar":
            _write_tar(download, file)


def _copy(parts: Iterable[bytes], file: IO[bytes]) -> None:
    for part in parts:
        file.write(part)


def _write_file(download: _Download, form: Format, path: Path) -> None:
    # Beside the target, so that a rename makes it appear whole; but a device or a pipe must not be renamed over.
    in_place = _is_special(path)
    unfinished = path if in_place else path.with_name(f"{path.name}.part")
    try:
        with unfinished.open("wb") as file:
            _write(download, form, file)
        if not in_place:
            unfinished.replace(path)
    except PermissionError as error:
        raise NotPermittedError(f"you may not write {error.filename or path}", "choose another place") from error
    except OSError as error:
        raise FailedError(f"{path} can't be written: {error.strerror or error}", "choose another place") from error
    finally:
        if not in_place:
            _remove(unfinished)


def _is_special(path: Path) -> bool:
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False  # absent; or not to be reached, which opening it will say


def _remove(unfinished: Path) -> None:
    # What made the writing fail, such as a folder that is not there, may be in the way of this, too.
    with contextlib.suppress(OSError):
        unfinished.unlink(missing_ok=True)


class _Reader:
    """A stream of parts as the file that tarfile reads from."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self._buffer = b""

    def read(self, length: int = 16 * 1024, /) -> bytes:
        """The next *length* bytes, or fewer at the end."""
        while len(self._buffer) < length and (part := next(self._parts, b"")):
            self._buffer += part
        taken, self._buffer = self._buffer[:length], self._buffer[length:]
        return taken


def _write_tar(download: _Download, file: IO[bytes]) -> None:
    with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for name, size_bytes in download.sizes.items():
            member = tarfile.TarInfo(f"{download.id}/{name}")
            # Of a file that grows meanwhile, tarfile takes no more than this.
            member.size = size_bytes
            member.mode = 0o644
            archive.addfile(member, _Reader(download.read(name)))
