from __future__ import annotations

from esper_protocol.events import Panic
from esperd.core.context import PanicContext


def make_panic(*, fatal: bool) -> Panic:
    return Panic("abort", "abort()", fatal, 0, None, {}, [], False, None, 1, 1)


def test_lines_are_kept_from_the_opening_on() -> None:
    context = PanicContext(100)
    context.append(b"before\n")
    context.open(1)
    context.append(b"one\n")
    context.open(1)
    context.append(b"two\n")
    assert context.take() == b"one\ntwo\n"
    assert not context.is_open
    assert context.take() == b""


def test_the_line_that_would_be_too_much_closes_it() -> None:
    context = PanicContext(8)
    context.open(1)
    for line in (b"1234\n", b"5678\n", b"9\n"):
        context.append(line)
    context.open(1)
    context.append(b"0\n")
    assert context.take() == b"1234\n"


def test_the_next_report_begins_anew() -> None:
    context = PanicContext(8)
    context.open(1)
    context.note_panic(make_panic(fatal=True))
    context.append(b"1234\n")
    context.append(b"too much\n")
    context.open(7)
    assert context.panic is None
    context.append(b"later\n")
    assert context.take() == b"later\n"


def test_a_fatal_report_stays_with_its_text() -> None:
    context = PanicContext(100)
    context.open(1)
    context.append(b"text\n")
    panic = make_panic(fatal=True)
    context.note_panic(panic)
    assert context.panic is panic
    assert context.take() == b"text\n"
    assert context.panic is panic


def test_a_report_that_is_not_fatal_leaves_nothing() -> None:
    context = PanicContext(100)
    context.open(1)
    context.append(b"text\n")
    context.note_panic(make_panic(fatal=False))
    assert context.panic is None
    assert not context.is_open
    assert context.take() == b""


def test_a_boot_clears_everything() -> None:
    context = PanicContext(100)
    context.open(1)
    context.append(b"text\n")
    context.note_panic(make_panic(fatal=True))
    context.clear()
    assert (context.panic, context.is_open, context.take()) == (None, False, b"")
