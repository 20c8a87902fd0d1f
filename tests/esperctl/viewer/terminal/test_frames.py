from collections.abc import Callable

from esperctl.viewer.terminal.frames import Frames


class _Timer:
    def __init__(self, loop: "_Loop", due: float, callback: Callable[[], None]) -> None:
        self.loop, self.due, self.callback = loop, due, callback

    def cancel(self) -> None:
        if self in self.loop.timers:
            self.loop.timers.remove(self)


class _Loop:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[_Timer] = []
        self.painted: list[float] = []
        self.frames = Frames(
            self._paint, call_later=self._call_later, now=lambda: self.now, interval_s=0.1, short_interval_s=0.01
        )

    def _paint(self) -> None:
        self.painted.append(round(self.now, 3))

    def _call_later(self, delay: float, callback: Callable[[], None]) -> _Timer:
        self.timers.append(_Timer(self, self.now + delay, callback))
        return self.timers[-1]

    def go_on_until(self, moment: float) -> None:
        while due := [timer for timer in self.timers if timer.due <= moment]:
            timer = min(due, key=lambda timer: timer.due)
            self.timers.remove(timer)
            self.now = timer.due
            timer.callback()
        self.now = moment


def test_the_first_change_is_painted_at_once_and_many_later_ones_as_one() -> None:
    loop = _Loop()
    for _ in range(5):
        loop.frames.soon()
    assert loop.painted == [100.0]
    loop.go_on_until(101.0)
    assert loop.painted == [100.0, 100.1]


def test_a_key_is_painted_at_once_and_takes_what_was_due_with_it() -> None:
    loop = _Loop()
    loop.frames.soon()
    loop.go_on_until(100.05)
    loop.frames.soon()
    loop.frames.at_once()
    loop.go_on_until(101.0)
    assert loop.painted == [100.0, 100.05]


def test_what_the_board_says_to_a_key_is_painted_soon_and_what_comes_much_later_as_always() -> None:
    loop = _Loop()
    loop.frames.expect_answer()
    loop.frames.at_once()
    loop.go_on_until(100.002)
    loop.frames.soon()
    loop.go_on_until(100.02)
    assert loop.painted == [100.0, 100.01]
    loop.go_on_until(100.3)
    loop.frames.soon()
    loop.frames.soon()
    loop.go_on_until(101.0)
    assert loop.painted == [100.0, 100.01, 100.3, 100.4]


def test_nothing_is_painted_while_nothing_changes_and_after_it_was_stopped() -> None:
    loop = _Loop()
    loop.frames.soon()
    loop.frames.soon()
    loop.frames.stop()
    loop.go_on_until(200.0)
    assert loop.painted == [100.0]
    assert loop.timers == []
