from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from esperctl.report import Frame, parse_report
from esperctl.report_text import report_lines


def test_the_frames_of_the_crashed_task_are_shown() -> None:
    report = """{"reason": "abort() was called", "crashed_task": "main", "warnings": ["stack is damaged"], "tasks": [
        {"name": "idle", "crashed": false, "frames": [{"level": 0, "pc": 1}]},
        {"name": "main", "crashed": true, "frames": [
            {"level": 0, "pc": 1074273925, "function": "abort", "file": "abort.c", "line": 46, "inlined": false},
            {"level": 1, "pc": null, "function": "app_main", "file": "main.c", "line": null, "inlined": true}]}]}"""
    assert report_lines(report) == [
        "abort() was called",
        "in task main",
        "#0  0x40081e85 in abort at abort.c:46",
        "#1  app_main at main.c (inlined)",
        "warning: stack is damaged",
    ]


def test_the_frames_of_a_backtrace_are_shown() -> None:
    assert report_lines('{"frames": [{"level": 0, "pc": 16, "function": "f"}]}') == ["#0  0x00000010 in f"]


def test_arguments_are_shown_with_their_values() -> None:
    arguments = '[{"name": "field", "type": "char *", "value": "0x10 \\"gain\\""}, {"name": "index", "value": "1"}]'
    report = f'{{"frames": [{{"level": 0, "pc": 16, "function": "f", "args": {arguments}, "file": "f.c", "line": 5}}]}}'
    assert report_lines(report) == ['#0  0x00000010 in f (field=0x10 "gain", index=1) at f.c:5']


@pytest.mark.parametrize("how", ["scan", "inferred"])
def test_a_guessed_frame_says_so(how: str) -> None:
    assert report_lines(f'{{"frames": [{{"pc": 16, "function": "f", "how": "{how}"}}]}}') == [
        "#0  0x00000010 in f  (guessed)"
    ]
    assert Frame(function="f", file="/src/f.c", line=3, how="cfi").text(1) == "#1  f at /src/f.c:3"


def test_what_another_decoder_leaves_out_is_not_missed() -> None:
    report = parse_report('{"tasks": [{"crashed": true}], "frames": [{"file": "/src/f.c"}], "new": 1}')

    assert report is not None
    assert (report.task_name, [frame.place for frame in report.crash_frames]) == (None, ["?? at f.c"])
    assert parse_report("[]") is None


def test_what_is_no_report_is_shown_as_text() -> None:
    assert report_lines("0x1: f\n\x1b[2J") == ["0x1: f", "␛[2J"]


@given(st.text(max_size=80))
def test_no_line_can_hurt_a_terminal(report: str) -> None:
    assert not any("\x1b" in line or "\n" in line for line in report_lines(report))
