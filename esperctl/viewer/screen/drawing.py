"""The whole screen: every part in its place."""

from typing import assert_never

from esperctl.viewer.layout import PANEL_FROM_COLUMNS, Layout, is_too_small, lay_out, overlay_area
from esperctl.viewer.screen.canvas import Canvas, Region
from esperctl.viewer.screen.capture_bar import draw_capture
from esperctl.viewer.screen.confirm import draw_confirm
from esperctl.viewer.screen.detail import draw_detail
from esperctl.viewer.screen.form import draw_form
from esperctl.viewer.screen.help import draw_help
from esperctl.viewer.screen.inspector_panel import draw_inspector
from esperctl.viewer.screen.line_input import draw_line_input
from esperctl.viewer.screen.log_area import draw_log, draw_log_cursor
from esperctl.viewer.screen.palette import draw_palette
from esperctl.viewer.screen.picker import draw_picker
from esperctl.viewer.screen.picture import Picture
from esperctl.viewer.screen.prompt import draw_prompt
from esperctl.viewer.screen.search_bar import draw_search
from esperctl.viewer.screen.status_bar import draw_hint, draw_status
from esperctl.viewer.screen.theme import Theme
from esperctl.viewer.screen.title_bar import draw_title
from esperctl.viewer.screen.toasts import draw_newest_toast, draw_toasts
from esperctl.viewer.screen.too_small import draw_too_small
from esperctl.viewer.view import (
    CaptureProgress,
    ConfirmView,
    DetailView,
    FormView,
    HelpView,
    Overlay,
    PaletteView,
    PickerView,
    SearchView,
    TextInput,
    View,
)


def draw(view: View, theme: Theme) -> Picture:
    """The picture of a view: exactly ``view.rows`` times ``view.columns`` cells, each at least 1."""
    canvas = Canvas(view.columns, view.rows, theme)
    if is_too_small(view.columns, view.rows):
        draw_too_small(canvas.whole(), view.status)
        return canvas.picture()
    bars = [bar for bar in (view.capture, view.search, view.input) if bar is not None]
    layout = lay_out(view.columns, view.rows, with_panel=view.inspector is not None, bars=len(bars))
    draw_title(canvas.region(layout.title), view.title)
    _draw_log_and_inspector(canvas, layout, view)
    # Where there is no room for all, those that are typed into stay.
    for bar, area in zip(bars[len(bars) - len(layout.bars) :], layout.bars, strict=True):
        _draw_bar(canvas.region(area), bar, view)
    draw_status(canvas.region(layout.status), view.status)
    draw_hint(canvas.region(layout.hint), view.status)
    if view.overlay is not None:
        canvas.cursor = None
        _draw_overlay(canvas.region(overlay_area(view.columns, view.rows)), view.overlay)
    if view.overlay is not None or _inspector_is_alone(view):
        draw_newest_toast(canvas.region(layout.title), view.toasts)
    else:
        draw_toasts(canvas.whole().part(0, 1, view.columns, layout.log.rows), view.toasts)
    return canvas.picture()


def _draw_log_and_inspector(canvas: Canvas, layout: Layout, view: View) -> None:
    inspector = view.inspector
    if inspector is not None and layout.panel is not None:
        draw_inspector(canvas.region(layout.panel), inspector, is_panel=True)
    elif inspector is not None and _inspector_is_alone(view):
        draw_inspector(canvas.region(layout.log), inspector, is_panel=False)
        return
    if view.log is None:
        return
    region = canvas.region(layout.log)
    draw_log(region, view.log)
    if inspector is None or not inspector.has_focus:
        draw_log_cursor(region, view.log)


def _inspector_is_alone(view: View) -> bool:
    """Whether it stands in place of the log."""
    return view.inspector is not None and view.inspector.has_focus and view.columns < PANEL_FROM_COLUMNS


def _draw_bar(region: Region, bar: CaptureProgress | SearchView | TextInput, view: View) -> None:
    match bar:
        case CaptureProgress():
            draw_capture(region, bar, can_abort=view.status is not None and view.status.mode == "CAPTURE")
        case SearchView():
            draw_search(region, bar)
        case TextInput():
            draw_line_input(region, bar)
        case _:
            assert_never(bar)


def _draw_overlay(region: Region, overlay: Overlay) -> None:
    match overlay:
        case PaletteView():
            draw_palette(region, overlay)
        case HelpView():
            draw_help(region, overlay)
        case ConfirmView():
            draw_confirm(region, overlay)
        case FormView():
            draw_form(region, overlay)
        case DetailView():
            draw_detail(region, overlay)
        case PickerView():
            draw_picker(region, overlay)
        case TextInput():
            draw_prompt(region, overlay)
        case _:
            assert_never(overlay)
