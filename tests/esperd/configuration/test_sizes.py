"""Sizes and durations as people write them."""

import pytest

from esperd.configuration.sizes import UnknownUnitError, parse_duration_s, parse_size, size_text
from esperd.settings import GIB, KIB, MIB


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("4096", 4096), ("4k", 4 * KIB), ("4 MiB", 4 * MIB), (" 1.5 GIB ", GIB * 3 // 2), ("12 B", 12)],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MiB", "-1", "1e3", "9" * 400, "٣", "4 MiB each", "nan"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a size|is not known here; allowed are KiB, MiB, GiB"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "guess"), [("2 GB", "2 GiB"), ("1.5mb", "1.5 MiB"), ("4 kB", "4 KiB"), ("2TiB", "2048 GiB"), ("3 x", None)]
)
def test_a_unit_that_is_not_known_is_told_with_what_may_be_meant(text: str, guess: str | None) -> None:
    with pytest.raises(UnknownUnitError) as caught:
        parse_size(text)
    assert str(caught.value).partition("did you mean ")[2] == (f'"{guess}"?' if guess else "")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10 sec", 10), ("1min", 60), ("1.5 h", 5400), ("250ms", 0.25), ("2 Minutes", 120), ("3 days", None), ("x", None)],
)
def test_what_is_meant_by_a_duration_is_guessed(text: str, seconds: float | None) -> None:
    assert parse_duration_s(text) == seconds


def test_sizes_are_said_in_whole_units() -> None:
    assert [size_text(size) for size in (GIB, 16 * MIB, 64 * KIB, 1000)] == ["1 GiB", "16 MiB", "64 KiB", "1000"]
