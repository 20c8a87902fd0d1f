"""What the title says of the disk that the board is written to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esper_protocol.events import Failure, FailureOver

if TYPE_CHECKING:
    from tests.esperctl.conftest import MakeBoard
    from tests.esperctl.viewer.model.conftest import MakeViewer, Viewer


def title(viewer: Viewer) -> tuple[str, bool]:
    shown = viewer.view.title
    assert shown is not None
    return shown.state, shown.is_well


def test_a_disk_that_refuses_is_in_the_title_until_it_takes_again(viewer: Viewer) -> None:
    viewer.happen(Failure("disk", "No space left on device: /var/lib/esperd", "it is tried again", 1.0))
    assert title(viewer) == ("connected, disk refuses", False)
    viewer.happen(FailureOver("port", "it is there"))
    assert title(viewer) == ("connected, disk refuses", False)

    viewer.happen(FailureOver("disk", "the disk takes the journal again; all that waited is written"))

    assert title(viewer) == ("connected", True)


def test_a_disk_that_refused_before_is_too(make_viewer: MakeViewer, make_board: MakeBoard) -> None:
    viewer = make_viewer()
    viewer.attach(board=make_board(disk="full: No space left on device"))

    assert title(viewer) == ("connected, disk refuses", False)
