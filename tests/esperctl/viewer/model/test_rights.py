"""A user whom the daemon's configuration lets view, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esper_protocol.events import WriterChanged
from esperctl.viewer.effects import TakeWriter
from esperctl.viewer.messages import EffectFailed

if TYPE_CHECKING:
    from tests.esperctl.viewer.model.conftest import MakeViewer, Viewer

TOLD = "you may only read here: access.write in the configuration of esperd says who may type"


def test_a_lease_that_is_free_and_not_given_means_that_one_may_only_read(make_viewer: MakeViewer) -> None:
    viewer = make_viewer()
    viewer.attach(is_writer=False, writer=None)

    assert viewer.toasts == [TOLD]
    assert viewer.mode == "READ-ONLY"
    assert viewer.segment("Writer") == "not you: you may only read"
    status = viewer.view.status
    assert status is not None
    assert "write lease" not in status.hint
    viewer.press("r")
    assert "Reset the board: you may only read here" in viewer.toasts


def test_who_asked_to_read_only_is_told_nothing_of_rights(make_viewer: MakeViewer) -> None:
    viewer = make_viewer(read_only=True)
    viewer.attach(is_writer=False, writer=None)

    assert viewer.toasts == []
    assert viewer.segment("Writer") == "nobody types"


def test_a_refusal_says_who_may_and_is_remembered(reader: Viewer) -> None:
    refused = TakeWriter(steal=True)
    reader.tell(
        EffectFailed(refused, "permission", "eve may not write to boards; bob may", "access.write says who may")
    )
    reader.happen(WriterChanged(None, "bob (pid 2)", stolen=False))

    assert "eve may not write to boards; bob may; access.write says who may" in reader.toasts
    assert reader.segment("Writer") == "not you: you may only read"


def test_it_can_be_tried_again_and_is_forgotten_when_the_lease_comes(make_viewer: MakeViewer) -> None:
    viewer = make_viewer()
    viewer.attach(is_writer=False, writer=None)
    assert viewer.press("w") == [TakeWriter(steal=False)]
    viewer.attach(is_writer=True, again=True)

    assert viewer.mode == "DEVICE"
    viewer.happen(WriterChanged(None, "me (pid 1)", stolen=False))
    assert viewer.segment("Writer") == "nobody types"
