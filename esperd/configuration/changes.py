"""What differs between two configurations, and what of it a daemon that runs can take. Pure."""

import dataclasses
from typing import Final

import msgspec

from esperd.configuration.config import BoardConfig, Config
from esperd.settings import Limits

# Sizes of what was made at the start.
_FIXED_LIMITS: Final = ("decode_memory_bytes", "decode_coredumps", "decode_backtraces")
# The files and the socket are there, and others hold them.
_FIXED: Final = {"state_dir": "state_dir", "socket": "socket", "access": "socket_group or socket_mode"}
_OTHERS: Final = {
    "log_level": "log_level",
    "elf_paths": "elf",
    "decode_command": "decode.command",
    "gdb": "decode.gdb_xtensa or gdb_riscv",
    "permissions": "access",
    "hooks": "on_crash",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Changes:
    """What a reload does.

    Attributes:
        config: What holds from now on: the new one, but for what needs a restart.
        keys: What is taken, for people.
        refused: What needs a restart.
        opened: Boards that are new.
        closed: Names of boards that are not there any more.
        kept: Boards that were there before, with what they are now.
    """

    config: Config
    keys: list[str]
    refused: list[str]
    opened: list[BoardConfig]
    closed: list[str]
    kept: list[BoardConfig]


def compare(before: Config, after: Config) -> Changes:
    """From what runs to what is wanted."""
    limits, refused_limits = _compare_limits(before.limits, after.limits)
    refused = [text for name, text in _FIXED.items() if getattr(before, name) != getattr(after, name)]
    keys = [text for name, text in _OTHERS.items() if getattr(before, name) != getattr(after, name)]
    keys += [
        f"limits.{name}" for name in Limits.__struct_fields__ if getattr(before.limits, name) != getattr(limits, name)
    ]
    old = {board.argument.name: board for board in before.boards}
    new = {board.argument.name: board for board in after.boards}
    keys += [f"boards.{name}" for name in dict.fromkeys((*old, *new)) if old.get(name) != new.get(name)]
    fixed = {name: getattr(before, name) for name in _FIXED}
    return Changes(
        dataclasses.replace(after, limits=limits, **fixed),
        keys,
        refused + refused_limits,
        [board for name, board in new.items() if name not in old],
        [name for name in old if name not in new],
        [board for name, board in new.items() if name in old],
    )


def _compare_limits(before: Limits, after: Limits) -> tuple[Limits, list[str]]:
    fixed = {name: getattr(before, name) for name in _FIXED_LIMITS}
    refused = [f"limits.{name}" for name in _FIXED_LIMITS if getattr(after, name) != fixed[name]]
    return msgspec.structs.replace(after, **fixed), refused
