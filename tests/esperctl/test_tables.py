import pytest

from esperctl.tables import facts, table
from esperctl.units import bytes_text, plural


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert table(("A", "B"), [("long", "x"), ("y", "")]) == ["A     B", "long  x", "y"]


def test_a_table_without_rows_is_its_header() -> None:
    assert table(("A", "B"), []) == ["A  B"]


def test_cells_are_made_safe() -> None:
    assert table(("A",), [("\x1b[2J\n",)]) == ["A", "␛[2J\\x0a"]


def test_facts_without_a_value_are_left_out() -> None:
    assert facts([("board", "a"), ("chip", None), ("id", "\x07")]) == ["board: a", "   id: \\x07"]


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (1 << 20, "1.0 MiB"), (1 << 50, "1024.0 TiB")],
)
def test_sizes_are_in_binary_units(count: int, text: str) -> None:
    assert bytes_text(count) == text


def test_one_is_singular() -> None:
    assert (plural(1, "line"), plural(2, "line")) == ("1 line", "2 lines")
