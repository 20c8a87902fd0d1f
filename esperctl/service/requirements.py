"""What has to be so before anything is changed; each check says what to do about it."""

import os
import shlex
import stat
import sys
import sysconfig
from pathlib import Path
from typing import Final

import esperctl
from esperctl.errors import FailedError, NotPermittedError
from esperctl.output import Output
from esperctl.service.scope import Scope

# What ProtectHome= and PrivateTmp= of the unit hide from the daemon.
_HIDDEN: Final = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - named, not used
_USER_HINT: Final = "or install a service of your own, without sudo: `esperctl service install --user`"
_OPEN_HINT: Final = (
    "install esperd where every user can read it: `sudo python3 -m venv /opt/esperd`, then `sudo /opt/esperd/bin/pip"
    " install esperd`, then `sudo /opt/esperd/bin/esperctl service install`"
)


def check_systemd(scope: Scope, output: Output, *, dry_run: bool) -> None:
    """Raises FailedError where systemd is not what runs the machine; what is only shown is shown all the same."""
    if scope.is_run_by_systemd:
        return
    what = "this machine is not run by systemd, so there is nothing to install a service into"
    if not dry_run:
        raise FailedError(what, "start `esperd PORT...` by what runs your services; `esperd --help` has its options")
    output.talk(f"{what}; on one that is, it would be this:")


def check_permission(scope: Scope, command: str) -> None:
    """Raises NotPermittedError where the user may not change the system, or would change another one's home.

    Args:
        scope: For whom it is.
        command: The command's name, such as ``service install``.
    """
    words = sys.argv[1:]
    if scope.is_user and os.geteuid() == 0 and "SUDO_USER" in os.environ:
        raise NotPermittedError(
            "--user under sudo would be root's service, not yours",
            f"run it without sudo: {shlex.join(['esperctl', *words])}",
        )
    if not scope.is_user and not os.access(scope.place("/etc"), os.W_OK):
        # sudo has a search path of its own, on which an installation for one user is not.
        again = shlex.join(["sudo", str(Path(sysconfig.get_path("scripts")) / "esperctl"), *words])
        raise NotPermittedError(
            f"`{command}` changes files in /etc, which takes root",
            f"{again}; or, for a service of your own, without sudo: `esperctl {command} --user`",
        )


def installed_program() -> Path:
    """The esperd of this very installation.

    Raises:
        FailedError: it has none.
    """
    # The second is where `pip install --user` puts it.
    programs = [Path(sysconfig.get_path("scripts")) / "esperd", Path(sys.argv[0]).absolute().with_name("esperd")]
    for program in programs:
        if program.is_file():
            return program
    raise FailedError(
        f"there is no esperd beside this esperctl: {programs[0]} does not exist",
        "install both, or name the one that the service is to start: --program /PATH/TO/esperd",
    )


def check_program(scope: Scope, program: Path, *, is_ours: bool) -> None:
    """Raises FailedError where the service could not start *program*.

    Args:
        scope: The daemon of a user may start whatever the user may.
        program: An absolute path.
        is_ours: It belongs to this installation, whose Python and packages the daemon needs as well.
    """
    file = program if scope.is_user else scope.place(str(program))
    try:
        is_program = program.is_absolute() and stat.S_ISREG(file.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        is_program = False
    except OSError as error:
        raise FailedError(f"can't look at {program}: {error.strerror}", f"{_OPEN_HINT}; {_USER_HINT}") from error
    if not is_program:
        raise FailedError(f"{program} is no program, named by its whole path", "see `which esperd`")
    if scope.is_user:
        return
    needed = [program, *([Path(sys.base_prefix), Path(esperctl.__file__)] if is_ours else [])]
    for path in needed:
        resolved = scope.place(str(path)).resolve()
        reason = _hidden_by(resolved, scope.root.resolve())
        if reason:
            raise FailedError(f"the service can't use {path}: {reason}", f"{_OPEN_HINT}; {_USER_HINT}")


def _hidden_by(path: Path, root: Path) -> str | None:
    inside = Path("/") / path.relative_to(root) if path.is_relative_to(root) else path
    for folder in _HIDDEN:
        if inside.is_relative_to(folder):
            return f"it keeps off {folder}"
    for part in [path, *path.parents]:
        if part == root:
            break
        if not part.stat().st_mode & (stat.S_IXOTH if part.is_dir() else stat.S_IROTH):
            return f"{part} is closed to other users"
    return None
