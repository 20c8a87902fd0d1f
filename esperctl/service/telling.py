"""Tells people and programs what is done, or would be."""

import contextlib
from collections.abc import Generator, Sequence
from typing import Final

from esperctl.output import Output, abandon_stdout
from esperctl.service.performing import perform
from esperctl.service.steps import Step, action_of, target_of

_DONE: Final = {"write": "wrote", "remove": "removed", "check": "checked", "run": "ran"}
_PLANNED: Final = {
    "write": "would write",
    "remove": "would remove",
    "check": "would check",
    "run": "would run",
}


def carry_out(steps: Sequence[Step], output: Output, *, dry_run: bool, as_json: bool) -> None:
    """Carries out *steps*, or only says them; as lines as they are done, or as one document at the end.

    Raises:
        FailedError: as of performing; what was done until then was told.
        OSError: all was done, and the output can't be written.
    """
    told: list[Step] = []
    unheard: list[OSError] = []

    def tell(step: Step) -> None:
        told.append(step)
        if not as_json:
            action = action_of(step)
            words = (_PLANNED if dry_run else _DONE).get(action, action)
            with _going_on(output, unheard):
                output.line(f"{words} {target_of(step)}")
                output.line(f"    {step.why}")

    try:
        if dry_run:
            for step in steps:
                tell(step)
        else:
            perform(steps, tell)
    finally:
        if as_json:
            with _going_on(output, unheard):
                output.document([_as_document(step, dry_run=dry_run) for step in told])
    if unheard:
        raise unheard[0]


@contextlib.contextmanager
def _going_on(output: Output, unheard: list[OSError]) -> Generator[None]:
    """What is under way is not left half done because the reader went away, as with ``| head -1``."""
    try:
        yield
        output.flush()
    except OSError as error:
        unheard.append(error)
        abandon_stdout()


def _as_document(step: Step, *, dry_run: bool) -> dict[str, object]:
    action = action_of(step)
    is_change = action in _DONE
    return {"action": action, "target": target_of(step), "why": step.why, "done": is_change and not dry_run}
