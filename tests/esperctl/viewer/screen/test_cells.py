from hypothesis import given, strategies as st

from esperctl.viewer.cells import fit, fit_words, graphemes, width_of, wrap, wrap_spans
from esperctl.viewer.style import Span


def test_a_wide_character_takes_two_cells_and_a_combining_one_none() -> None:
    assert list(graphemes("a日e\u0301")) == [("a", 1), ("日", 2), ("e\u0301", 1)]
    assert width_of("a日e\u0301") == 4


def test_what_joins_or_reorders_characters_is_dropped() -> None:
    assert "".join(text for text, _ in graphemes("a\u202eb\u200dc\ufe0f\xad")) == "abc"


def test_controls_and_surrogates_are_replaced() -> None:
    assert [text for text, _ in graphemes("\x1b\x07\ud800\u2028\xa0")] == ["?", "?", "?", "?", " "]


def test_combining_characters_without_a_base_are_dropped_and_their_number_is_bounded() -> None:
    assert list(graphemes("\u0301")) == []
    [(text, width)] = graphemes("e" + "\u0301" * 1000)
    assert width == 1
    assert len(text) < 10


def test_a_text_that_does_not_fit_ends_with_an_ellipsis() -> None:
    assert fit("abcdef", 6, "…") == "abcdef"
    assert fit("abcdef", 4, "…") == "abc…"
    assert fit("日本語", 4, "…") == "日…"
    assert fit("abc", 0, "…") == ""


def test_words_are_left_out_whole() -> None:
    assert fit_words("Ctrl-T commands and more", 18, "…") == "Ctrl-T commands …"
    assert fit_words("Ctrl-T", 3, "…") == ""


@given(st.text(), st.integers(1, 30))
def test_wrapped_lines_fit(text: str, columns: int) -> None:
    least = max(columns, 2)
    assert all(width_of(line) <= least for line in wrap(text, least))


@given(st.lists(st.text(st.characters(codec="utf-8")), max_size=5), st.integers(8, 30))
def test_wrapped_spans_fit_and_lose_nothing(texts: list[str], columns: int) -> None:
    lines = wrap_spans([Span(text) for text in texts], columns, indent=4)
    assert all(sum(width_of(span.text) for span in line) <= columns for line in lines)
    shown = "".join(span.text for line in lines for span in line)
    wanted = "".join(grapheme for text in texts for grapheme, _ in graphemes(text))
    if len(lines) > 1:
        assert shown.replace(" ", "") == wanted.replace(" ", "")
