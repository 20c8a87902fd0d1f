"""Tables and blocks of facts as lines of text. Pure; every cell is made safe here."""

from collections.abc import Iterable, Sequence

from esperctl.safe_text import safe_text


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Left-aligned columns, as wide as their widest cell; the last one is not padded."""
    cells = [list(header), *([safe_text(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def facts(pairs: Iterable[tuple[str, str | None]]) -> list[str]:
    """One line for each name and value; those without a value are left out."""
    kept = [(name, safe_text(value)) for name, value in pairs if value]
    width = max((len(name) for name, _ in kept), default=0)
    return [f"{name.rjust(width)}: {value}" for name, value in kept]
