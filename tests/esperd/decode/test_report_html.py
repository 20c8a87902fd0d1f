from html.parser import HTMLParser

from typing_extensions import override

from esperd.decode.decoder import decode_core_dump
from esperd.decode.report_html import format_html
from esperd.simulation.scenarios import FIRMWARE_ELF, RECORDINGS

VOID = {"meta"}


class Checker(HTMLParser):
    """Follows the elements; what is open at the end was not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.text = ""

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    @override
    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    @override
    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_whole_by_itself_and_begins_with_the_crashed_task() -> None:
    report = decode_core_dump((RECORDINGS / "crash.raw").read_bytes(), FIRMWARE_ELF)
    checker = Checker()
    checker.feed(format_html(report))
    assert checker.open == []
    assert checker.links == []
    assert "store_value(setting=0x0" in checker.text
    # The table of all tasks names the crashed one first, too.
    assert checker.text.index("main") < checker.text.index("IDLE") < checker.text.index("main (crashed)")


def test_what_the_board_says_is_no_markup() -> None:
    report = decode_core_dump((RECORDINGS / "crash.raw").read_bytes(), None)
    report.warnings.append("<script>alert(1)</script>")
    assert "<script>" not in format_html(report)
