"""The long dialogs as lines: the model asks how far they can be scrolled, the screen what to draw. Pure."""

from typing import Final, TypeAlias

from esperctl.viewer.cells import fit, width_of, wrap, wrap_spans
from esperctl.viewer.layout import FRAME_COLUMNS, FRAME_ROWS, PANEL_FROM_COLUMNS, overlay_area
from esperctl.viewer.style import Span, Style
from esperctl.viewer.view import DetailView, HelpView

Line: TypeAlias = tuple[Span, ...]

# At the right of scrolled lines: a blank and the signs for more above and below.
MARGIN: Final = 2
_TITLE: Final = Style(bold=True)
_DETAIL_MOST: Final = 160
_INDENT: Final = 4
_HELP_COLUMN_MOST: Final = 74
_BETWEEN: Final = 3
_KEYS_MOST: Final = 24


def last_detail_scroll(view: DetailView, columns: int, rows: int) -> int:
    """The largest ``scroll`` that makes a difference on a terminal of this size."""
    # The state, if there is one, stands above the lines.
    return max(0, len(detail_lines(view, detail_columns(columns))) - (_inside_rows(columns, rows) - bool(view.state)))


def detail_columns(columns: int) -> int:
    """How wide the inside of the box is on a terminal of this width."""
    return min(columns - FRAME_COLUMNS, _DETAIL_MOST)


def detail_lines(view: DetailView, columns: int) -> list[Line]:
    """The sections, parted by empty lines; long lines are wrapped."""
    columns -= MARGIN
    lines: list[Line] = []
    for section in view.sections:
        if lines or view.state:
            lines.append(())
        lines += [*wrap_spans([Span(section.title, _TITLE)], columns, indent=_INDENT)]
        for line in section.lines:
            lines += wrap_spans([Span("  "), *line], columns, indent=_INDENT)
    return lines


def last_help_scroll(view: HelpView, columns: int, rows: int) -> int:
    """The largest ``scroll`` that makes a difference on a terminal of this size."""
    return max(0, len(help_lines(view, help_columns(columns), "~")) - _inside_rows(columns, rows))


def help_columns(columns: int) -> int:
    """How wide the inside of the box is on a terminal of this width."""
    most = 2 * _HELP_COLUMN_MOST + _BETWEEN if columns >= PANEL_FROM_COLUMNS else _HELP_COLUMN_MOST
    return min(columns - FRAME_COLUMNS, most + MARGIN)


def help_lines(view: HelpView, columns: int, ellipsis: str) -> list[Line]:
    """The groups, in two columns where there is room."""
    columns -= MARGIN
    if columns < PANEL_FROM_COLUMNS - FRAME_COLUMNS - MARGIN:
        return [line for group in _groups(view, columns, ellipsis) for line in group]
    width = (columns - _BETWEEN) // 2
    left, right = _halves(_groups(view, width, ellipsis))
    gap = " " * (width + _BETWEEN)
    rows = max(len(left), len(right))
    left += [()] * (rows - len(left))
    right += [()] * (rows - len(right))
    return [(*a, Span(gap[sum(width_of(span.text) for span in a) :]), *b) for a, b in zip(left, right, strict=True)]


def _halves(groups: list[list[Line]]) -> tuple[list[Line], list[Line]]:
    """The groups in two columns of about the same length, none of them divided."""
    total = sum(map(len, groups))
    left: list[Line] = []
    right: list[Line] = []
    for group in groups:
        is_left = not right and (not left or len(left) + len(group) // 2 <= total / 2)
        (left if is_left else right).extend(group)
    return left, right


def _groups(view: HelpView, columns: int, ellipsis: str) -> list[list[Line]]:
    widths = [width_of(keys) for _, entries in view.groups for keys, _ in entries]
    width = min(max(widths, default=0), _KEYS_MOST, max(columns // 2, 1))
    return [_group(name, entries, width, columns, ellipsis) for name, entries in view.groups]


def _group(name: str, entries: tuple[tuple[str, str], ...], width: int, columns: int, ellipsis: str) -> list[Line]:
    lines: list[Line] = [(Span(fit(name, columns, ellipsis), _TITLE),)]
    for keys, what in entries:
        shown = fit(keys, width, ellipsis)
        first, *more = wrap(what, columns - width - 4)
        lines.append((Span(f"  {shown}{' ' * (width - width_of(shown) + 2)}"), Span(first)))
        lines += [(Span(" " * (width + 4)), Span(line)) for line in more]
    return [*lines, ()]


def _inside_rows(columns: int, rows: int) -> int:
    return overlay_area(columns, rows).rows - FRAME_ROWS
