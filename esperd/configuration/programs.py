"""Programs that the configuration names: whether each can be run on this machine, as the daemon's user."""

from esperd.configuration.file import SettingsFile, in_order, key_text
from esperd.configuration.viewpoint import Viewpoint
from esperd.errors import ConfigurationError


def program_doubts(file: SettingsFile, viewpoint: Viewpoint) -> list[ConfigurationError]:
    """Those that can't be run. One may come later, with another disk, so nothing is refused for its lack."""
    decode = file.settings.decode
    named: dict[tuple[str | int, ...], str | None] = {
        ("decode", "command"): decode.command[0] if decode.command else None,
        ("decode", "gdb_xtensa"): decode.gdb_xtensa,
        ("decode", "gdb_riscv"): decode.gdb_riscv,
    }
    for index, hook in enumerate(file.settings.on_crash):
        # Any other path is refused, which is told of it.
        named["on_crash", index, "command"] = hook.command[0] if hook.command[0].startswith("/") else None
    return in_order(
        file.located(
            ConfigurationError(
                f"{key_text(key)} names {program!r}; it must be a program that is there and may be run", hint, key=key
            )
        )
        for key, program in named.items()
        if program is not None and (hint := viewpoint.obstacle(program)) is not None
    )
