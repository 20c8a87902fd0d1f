"""The progress of a core dump that is arriving."""

from typing import Final

from esperctl.units import bytes_text
from esperctl.viewer.cells import width_of
from esperctl.viewer.screen.canvas import Region
from esperctl.viewer.screen.theme import BOLD, DIM, MAGENTA
from esperctl.viewer.style import Style
from esperctl.viewer.view import CaptureProgress

_BAR_LEAST: Final = 8
_BAR_MOST: Final = 40
_GAP: Final = "  "
# What is left out first when there is little room: the id (the inspector has it), how long, how fast.
_LEAVE_OUT: Final = ("id", "elapsed", "rate", "hint")


def draw_capture(region: Region, progress: CaptureProgress, *, can_abort: bool) -> None:
    """Draws a bar where the size is known, and the figures; ``can_abort``: whether Ctrl-C aborts it now."""
    share = _share(progress)
    least = 0 if share is None else _BAR_LEAST + 1
    pieces = _pieces(progress, share)
    if can_abort:
        pieces["hint"] = f"{region.glyphs.dash} Ctrl-C aborts"
    for name in _LEAVE_OUT:
        if _columns(pieces) + least + 1 <= region.columns:
            break
        pieces.pop(name, None)
    column = 1
    bar_columns = min(region.columns - _columns(pieces) - 2, _BAR_MOST)
    if share is not None and bar_columns >= _BAR_LEAST:
        column = _draw_bar(region, column, bar_columns, share) + 1
    for name, text in pieces.items():
        if column + width_of(text) > region.columns:
            break
        style = DIM if name == "hint" else BOLD if name in {"bytes", "share"} else Style()
        column = region.put(0, column, text, style) + len(_GAP)


def _share(progress: CaptureProgress) -> float | None:
    if not progress.total_bytes or progress.total_bytes < 0:
        return None
    return min(max(progress.decoded_bytes / progress.total_bytes, 0.0), 1.0)


def _pieces(progress: CaptureProgress, share: float | None) -> dict[str, str]:
    done = bytes_text(max(progress.decoded_bytes, 0))
    pieces = {"id": progress.id, "bytes": done}
    if share is not None:
        pieces["bytes"] = f"{done} of {bytes_text(progress.total_bytes or 0)}"
        pieces["share"] = f"{int(share * 100)} %"
    pieces["rate"] = f"{bytes_text(max(int(progress.bytes_per_s), 0))}/s"
    pieces["elapsed"] = f"{max(int(progress.elapsed_s), 0)} s"
    return pieces


def _columns(pieces: dict[str, str]) -> int:
    return sum(width_of(text) for text in pieces.values()) + len(_GAP) * (len(pieces) - 1)


def _draw_bar(region: Region, column: int, columns: int, share: float) -> int:
    full = int(columns * share)
    column = region.put(0, column, region.glyphs.bar_full * full, Style(foreground=MAGENTA))
    return region.put(0, column, region.glyphs.bar_empty * (columns - full), DIM)
