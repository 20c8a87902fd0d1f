"""Recorded transcripts: ``NAME.raw`` with every byte in order, ``NAME.json`` beside it with the time they came at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from esperd.simulation.errors import SimulationError
from esperd.system.regular_file import read_regular

if TYPE_CHECKING:
    from pathlib import Path


class _Description(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of ``NAME.json`` that matter here; others are somebody else's."""

    timing_ms_len: list[tuple[float, int]] | None = None
    segments: dict[str, tuple[int, int]] = {}


@dataclass(frozen=True, slots=True)
class Recording:
    """A transcript.

    ``timing`` holds ``(seconds since the start, number of bytes)`` and covers ``data`` exactly; None if unknown.
    ``segments`` maps names to the byte range ``(start, end)`` they stand for.
    """

    data: bytes
    timing: tuple[tuple[float, int], ...] | None
    segments: dict[str, tuple[int, int]]


def load_recording(path: Path) -> Recording:
    """Read a transcript and, where there is one, the ``.json`` of the same stem.

    Raises:
        SimulationError: if the file cannot be read, or its ``.json`` is not what it should be.
    """
    try:
        data = read_regular(path)
        described_in = path.with_suffix(".json")
        description = _Description()
        if described_in != path and described_in.exists():
            description = msgspec.json.decode(read_regular(described_in), type=_Description)
    except OSError as error:
        raise SimulationError(f"Cannot read the transcript {path}: {error.strerror}. Check the path.") from error
    except msgspec.MsgspecError as error:
        raise SimulationError(
            f"Cannot use the timing in {path.with_suffix('.json')}: {error}. Correct or remove that file."
        ) from error
    return Recording(data=data, timing=_checked_timing(path, data, description), segments=description.segments)


def _checked_timing(path: Path, data: bytes, description: _Description) -> tuple[tuple[float, int], ...] | None:
    if description.timing_ms_len is None:
        return None
    name = path.with_suffix(".json")
    total_bytes = 0
    before_ms = 0.0
    for at_ms, length in description.timing_ms_len:
        if at_ms < before_ms or length < 0:
            raise SimulationError(
                f"The timing in {name} runs backwards at byte {total_bytes}. Correct or remove that file."
            )
        before_ms = at_ms
        total_bytes += length
    if total_bytes != len(data):
        raise SimulationError(
            f"The timing in {name} is for {total_bytes} bytes but {path} has {len(data)}. Correct or remove that file."
        )
    return tuple((at_ms / 1000, length) for at_ms, length in description.timing_ms_len)
