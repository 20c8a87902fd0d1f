"""The line that ``systemctl status`` shows: which boards are there, who watches, what is being captured."""

from collections.abc import Collection

import trio

from esperd.board.board import Board
from esperd.service.manager import ServiceManager


async def report_status(service: ServiceManager, boards: Collection[Board], problem: str = "") -> None:
    """Tells the service manager whenever the line has changed, until cancelled; *problem* is what is wrong beside."""
    changed = trio.Event()

    def note_change() -> None:
        changed.set()

    for board in boards:
        # Events come in bursts, and in the middle of a change: a task looks at the state after it.
        board.publisher.on_change = note_change
    told = ""
    while True:
        text = status_text(boards)
        if problem:
            text += f"; reload: {' '.join(problem.split())}"
        if text != told:
            service.status(text)
            told = text
        # Without a deadline: nothing may happen for days.
        await changed.wait()
        changed = trio.Event()


def status_text(boards: Collection[Board]) -> str:
    """For example ``left connected, right absent; 2 viewers; core dump left-17 arrives``.

    Or ``usb-… is served as left (pid 4242); 0 viewers``.
    """
    states = ", ".join(map(_state_text, boards))
    viewers = sum(len(board.publisher.followers) for board in boards)
    captures = [board.capture_id for board in boards if board.capture_id is not None]
    parts = [states, f"{viewers} viewer{'' if viewers == 1 else 's'}"]
    if captures:
        parts.append(f"core dump {', '.join(captures)} arrives")
    return "; ".join(parts)


def _state_text(board: Board) -> str:
    served_by = board.parts.claims.served_by
    if served_by is not None:
        return f"{board.name} is served as {served_by.text}"
    return f"{board.name} {board.publisher.summary.state}"
