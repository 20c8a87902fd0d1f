"""Our own decoder."""

import os
from pathlib import Path

from esper_protocol.records import Machine
from esperd.decode.backends.backend import Decoded
from esperd.decode.decoder import decode_core_dump
from esperd.decode.errors import DecodeError
from esperd.decode.program import ProgramError
from esperd.decode.report_text import format_report
from esperd.decode.request import NATIVE, DecodeRequest
from esperd.decode.rom import RomSearch


class NativeBackend:
    """``decode_core_dump``, and its report as text."""

    name = NATIVE

    def unavailable(self, machine: Machine, request: DecodeRequest) -> str | None:  # noqa: ARG002 - see Backend
        """Always there."""
        return None

    def decode(self, data: bytes, elf: Path | None, request: DecodeRequest) -> Decoded:
        """See Backend."""
        rom = None if request.rom is None else Path(request.rom)
        stored = tuple((known.name, Path(known.path)) for known in request.elfs)
        roms = RomSearch(os.environ, stored)
        try:
            report = decode_core_dump(data, elf, rom=rom, roms=roms, force=request.force, with_locals=request.locals)
        except ProgramError as error:
            raise DecodeError("bad_elf", str(error)) from error
        return Decoded(report, format_report(report, with_locals=request.locals))
