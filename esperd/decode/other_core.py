"""Which tasks ran on the other core when the dump was made.

The firmware stops the other core but does not save its registers: the dump has the running task there as it stood when
it was last switched out. A dump of all memory names it (``pxCurrentTCBs``); otherwise the scheduler's own rule does:
it is the ready task with the highest priority, unless the scheduler had no time yet to switch to it.
"""

import re
from collections.abc import Sequence
from typing import Final

from esperd.decode.freertos import TaskBlock
from esperd.decode.image import CoreImage
from esperd.decode.program import Program, Symbol

# Source: the chips' datasheets.
_CHIPS_WITH_TWO_CORES: Final = ("esp32", "esp32s3", "esp32p4", "esp32h4", "esp32s31")
_CURRENT: Final = ("pxCurrentTCBs", "pxCurrentTCB")
_READY: Final = "pxReadyTasksLists"
_POINTER_BYTES: Final = 4
_MAX_CORES: Final = 2
_NO_AFFINITY: Final = 0x7FFFFFFF
_ON_CORE: Final = re.compile(r"\bon core ([01])\b")
_SHOWN: Final = 4
_SWITCHED_OUT: Final = "shown is where it stood when it was last switched out"


def stale_context(image: CoreImage, application: Program | None, blocks: Sequence[TaskBlock]) -> str | None:
    """The warning, or None where no task is in doubt. *blocks* are those of the image's tasks."""
    current = _symbol(application, _CURRENT)
    if image.chip is not None and image.chip not in _CHIPS_WITH_TWO_CORES:
        return None
    if current is not None:
        if current.size < 2 * _POINTER_BYTES:
            return None
        if running := _running(image, current):
            names = [block.name for task, block in zip(image.tasks, blocks, strict=True) if task.tcb in running]
            return _text(names, "was running on the other core") if names else None
    elif image.chip is None or sum((block.name or "").startswith("IDLE") for block in blocks) < 2:
        return None
    ready = _symbol(application, (_READY,))
    if ready is None:
        return f"stale_context: the chip has two cores; of the task that ran on the other one, {_SWITCHED_OUT}"
    return _text(_next_of(image, ready, blocks), "was probably running on the other core")


def _symbol(application: Program | None, names: tuple[str, ...]) -> Symbol | None:
    if application is None:
        return None
    found = (application.symbol_named(name) for name in names)
    return next((symbol for symbol in found if symbol is not None), None)


def _running(image: CoreImage, current: Symbol) -> set[int]:
    """The control blocks of the tasks that ran on another core than the crashed one; empty where that is not known."""
    addresses = range(current.address, current.address + min(current.size, _MAX_CORES * _POINTER_BYTES), _POINTER_BYTES)
    words = {word for address in addresses if (word := image.memory.word(address))}
    crashed = image.crashed_task
    return words - {crashed.tcb} if crashed is not None and crashed.tcb in words else set()


def _next_of(image: CoreImage, ready: Symbol, blocks: Sequence[TaskBlock]) -> list[str | None]:
    """The names of the ready tasks of highest priority that may run on the other core."""
    lists = range(ready.address, ready.address + ready.size)
    crashed_core = _crashed_core(image, blocks)
    found = [
        block
        for task, block in zip(image.tasks, blocks, strict=True)
        if not task.is_crashed and block.waits_in in lists and (crashed_core is None or block.core != crashed_core)
    ]
    highest = max((block.priority or 0 for block in found), default=0)
    return [block.name for block in found if (block.priority or 0) == highest]


def _crashed_core(image: CoreImage, blocks: Sequence[TaskBlock]) -> int | None:
    if "mhartid" in image.exception:
        return image.exception["mhartid"]
    if image.panic_details and (printed := _ON_CORE.search(image.panic_details)):
        return int(printed[1])
    pairs = zip(image.tasks, blocks, strict=True)
    core = next((block.core for task, block in pairs if task.is_crashed), None)
    return None if core == _NO_AFFINITY else core


def _text(names: list[str | None], what: str) -> str | None:
    if not names:
        return None
    shown = " or ".join(name or "??" for name in names[:_SHOWN])
    more = f" or one of {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"stale_context: {shown}{more} {what}; {_SWITCHED_OUT}"
