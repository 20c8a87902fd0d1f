from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from esper_protocol.events import WriterChanged
from esperd.board.lease import Writer
from esperd.errors import CommandError
from esperd.testing.boards import open_boards

if TYPE_CHECKING:
    from pathlib import Path

    from tests.esperd.board.conftest import Recorder

ALICE, ALICES_OTHER, BOB = Writer(1, 1000, "alice (pid 1)"), Writer(2, 1000, "alice (pid 2)"), Writer(3, 1001, "bob")


async def test_a_lease_goes_to_who_steals_it_and_comes_back_from_its_holder_only(
    tmp_path: Path, recorder: Recorder
) -> None:
    async with open_boards(tmp_path, "b") as registry:
        registry.board("b").publisher.add_follower(recorder)
        lease = registry.board("b").lease
        lease.take(ALICE, steal=False)
        with pytest.raises(CommandError, match=r"b: alice \(pid 1\) is writing"):
            lease.take(ALICES_OTHER, steal=False)
        lease.take(BOB, steal=True)
        lease.release(ALICE.client)
        assert lease.is_held_by(BOB.client)
        lease.release(BOB.client)
        assert lease.holder is None
    assert recorder.bodies(WriterChanged) == [
        WriterChanged("alice (pid 1)", None, stolen=False),
        WriterChanged("bob", "alice (pid 1)", stolen=True),
        WriterChanged(None, "bob", stolen=False),
    ]


async def test_a_lease_keeps_out_other_users_and_the_same_users_viewers(tmp_path: Path, recorder: Recorder) -> None:
    async with open_boards(tmp_path, "b") as registry:
        lease = registry.board("b").lease
        for writer in (ALICE, ALICES_OTHER, BOB):
            lease.check_may_write(writer, is_interactive=True, flag="--steal")
        lease.take(ALICE, steal=False)
        registry.board("b").publisher.add_follower(recorder)
        lease.check_may_write(ALICE, is_interactive=True, flag="--steal")
        lease.check_may_write(ALICES_OTHER, is_interactive=False, flag="--steal")
        with pytest.raises(CommandError, match=r"b: alice \(pid 1\) is writing") as refused:
            lease.check_may_write(BOB, is_interactive=False, flag="--steal")
        assert (refused.value.code, refused.value.hint) == ("busy", "wait, or do it all the same with --steal")
        for writer in (ALICES_OTHER, BOB):
            with pytest.raises(CommandError, match="is writing") as refused:
                lease.check_may_write(writer, is_interactive=True, flag="--steal")
            assert refused.value.hint == "wait, or take over with `esperctl attach --steal`"
        assert lease.holder == "alice (pid 1)"
    assert recorder.bodies(WriterChanged) == []
