from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from esperd.ports.names import MAX_NAME_LENGTH, default_board_name, is_board_name, split_board_name


@pytest.mark.parametrize("name", ["a", "bench1", "rack:4000", "me@lab", "a.b_c-d", "n" * MAX_NAME_LENGTH])
def test_these_are_board_names(name: str) -> None:
    assert is_board_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".a", "-a", "a/b", "a b", "a=b", "é", "a\n", "n" * (MAX_NAME_LENGTH + 1)]
)
def test_these_are_not(name: str) -> None:
    assert not is_board_name(name)


@settings(deadline=None)  # a loaded machine is not a failure
@given(st.text())
def test_every_default_name_is_a_board_name(text: str) -> None:
    assert is_board_name(default_board_name(text))


def test_two_long_links_that_differ_in_their_serial_number_have_different_names() -> None:
    one, two = (f"/dev/serial/by-id/usb-{'Maker_' * 12}{serial}-if00-port0" for serial in ("0001", "0002"))
    assert default_board_name(one) != default_board_name(two)


def test_the_first_equals_sign_ends_the_name() -> None:
    assert split_board_name("a=b=c") == ("a", "b=c")
