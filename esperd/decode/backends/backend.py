"""What a decoder is."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from esper_protocol.records import Machine
from esperd.decode.report import Report
from esperd.decode.request import DecodeRequest


@dataclass(frozen=True, slots=True)
class Decoded:
    """A report, and the same as text for people."""

    report: Report
    text: str


class Backend(Protocol):
    """Makes a report of a dump and, where there is one, the program that it is of.

    A call may hang, crash or eat all the memory it is given: the process is made to be killed.
    """

    @property
    def name(self) -> str:
        """As users name it."""
        ...

    def unavailable(self, machine: Machine, request: DecodeRequest) -> str | None:
        """Why it can't decode dumps of this machine here; None when it can."""
        ...

    def decode(self, data: bytes, elf: Path | None, request: DecodeRequest) -> Decoded:
        """Decodes *data*, the content of the dump's file.

        Raises:
            DecodeError: there is no report, and why.
        """
        ...
