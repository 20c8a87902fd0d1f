"""Starts the viewer: which board, which settings, which terminal."""

import asyncio
import os
import sys
from dataclasses import dataclass

from esperctl.daemons import open_daemons
from esperctl.output import Output
from esperctl.viewer.connection.live import ReadingPlace
from esperctl.viewer.crash_file import crashed
from esperctl.viewer.model.model import Model
from esperctl.viewer.screen import Theme
from esperctl.viewer.settings_file import read_settings, settings_path
from esperctl.viewer.viewer import Place, Viewer


@dataclass(frozen=True, slots=True)
class ViewerOptions:
    """What the command line asks for.

    Attributes:
        socket: The only daemon to look for boards at.
        board: Its name; None: the only one, or the user chooses.
        reading: Where in the log to begin to read.
        read_only: Keys are never sent.
        steals: The write lease is taken from whoever has it.
        folds_dumps: The base64 of dumps is not shown.
        shows_decode: What decoders say is shown.
    """

    socket: str | None
    board: str | None
    reading: ReadingPlace
    read_only: bool
    steals: bool
    folds_dumps: bool
    shows_decode: bool


def run_viewer(options: ViewerOptions, output: Output) -> int:
    """Shows a board, or the boards to choose from, until the user leaves; the exit code.

    Raises:
        EsperctlError: no daemon, no such board, settings that are wrong; or a defect, whose traceback is in a file.
    """
    settings, problems = read_settings(settings_path(os.environ))
    if problems:
        for problem in problems[:-1]:
            output.warn(problem)
        raise problems[-1]
    place = _find(options, output)
    model = Model(
        settings,
        read_only=options.read_only,
        steals=options.steals,
        dump="fold" if options.folds_dumps else "show",
        show_decode=options.shows_decode,
        wants_picker=place is None,
    )
    theme = Theme.of(os.environ if output.colour else {**os.environ, "NO_COLOR": "1"}, sys.stdout.encoding)
    viewer = Viewer(model, theme, options.socket, read_only=options.read_only)
    try:
        return asyncio.run(viewer.run(place))
    except Exception as error:
        raise crashed(error) from error


def _find(options: ViewerOptions, output: Output) -> Place | None:
    """The board that was named, or the only one; None where there is a choice."""
    with open_daemons(options.socket, output) as daemons:
        if options.board is None and sum(len(daemon.boards) for daemon in daemons.found) > 1:
            return None
        found = daemons.board(options.board)
        return Place(found.client.path, found.record.board, options.reading)
