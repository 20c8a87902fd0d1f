"""Where ELF files are stored on this machine, for what decodes without a daemon."""

import os
from typing import Final

from esperctl.daemons import open_daemons
from esperctl.errors import EsperctlError
from esperctl.output import Output

_SYSTEM_STATE_DIR: Final = "/var/lib/esperd"


def elf_stores(socket: str | None, output: Output) -> list[str]:
    """The ELF stores of the daemons that run, and the ones that those leave which do not.

    Raises:
        EsperctlError: the daemon that was named can't be asked.
    """
    state_dirs: list[str] = []
    try:
        with open_daemons(socket, output) as daemons:
            state_dirs += [daemon.record.state_dir for daemon in daemons.found]
    except EsperctlError:
        if socket:
            raise
    home = os.environ.get("XDG_STATE_HOME", "")
    own = home if home.startswith("/") else os.path.expanduser("~/.local/state")  # noqa: PTH111 - pathlib costs
    state_dirs += [f"{own}/esperd", _SYSTEM_STATE_DIR]
    return [f"{state_dir}/elfs" for state_dir in dict.fromkeys(state_dirs)]
