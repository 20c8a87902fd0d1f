import logging

import pytest

from esperd.daemon_log.limited_log import LimitedLog


def test_of_each_kind_of_line_some_are_written_each_minute_and_the_others_are_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    now = 100.0
    log = LimitedLog(logging.getLogger("test"), lambda: now)
    for number in range(50):
        now += 1
        log.write(logging.WARNING, "client refused pid=%d", number)
    log.write(logging.INFO, "another kind")
    assert len(caplog.messages) == 21
    assert caplog.messages[0] == "client refused pid=0"
    assert caplog.messages[19] == "client refused pid=19 (more are left out for 41 s)"
    assert caplog.messages[20] == "another kind"
    caplog.clear()

    now += 60
    log.write(logging.WARNING, "client refused pid=%d", 50)
    log.write(logging.WARNING, "client refused pid=%d", 51)
    assert caplog.messages == [
        "client refused pid=50 (30 such lines were left out before)",
        "client refused pid=51",
    ]


def test_what_went_wrong_is_logged_with_its_stack(caplog: pytest.LogCaptureFixture) -> None:
    try:
        int("a defect")
    except ValueError as error:
        LimitedLog(logging.getLogger("test")).write(logging.ERROR, "client failed", error=error)
    assert "ValueError: invalid literal" in caplog.text
