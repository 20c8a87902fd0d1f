"""The command line of the daemon: flags to Config, logging, trio, errors to exit codes."""

import argparse
import dataclasses
import logging
import os
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import trio

from esper_protocol.version import PACKAGE_VERSION
from esperd.configuration.config import Config, default_directories, load_config
from esperd.configuration.sizes import size_text
from esperd.daemon import run_daemon
from esperd.daemon_log.log_files import DaemonLog
from esperd.errors import EXIT_BUSY, EXIT_FAILED, EXIT_INTERRUPTED, EsperdError, InvalidFileError
from esperd.service.manager import ServiceManager, take_service_manager
from esperd.service.restarts import Restarts
from esperd.settings import Limits
from esperd.system.private_paths import check_owner

if TYPE_CHECKING:
    from _typeshed import SupportsWrite
    from typing_extensions import override
else:

    def override(method: object) -> object:
        """Does nothing: typing has the real one from Python 3.12 on."""
        return method


_log: Final = logging.getLogger(__name__)

_DESCRIPTION: Final = """\
Owns the serial ports of ESP32 boards: journals everything they say, captures core dumps, serves any number of viewers.

PORT is [NAME=]ENDPOINT; ENDPOINT is a device (ttyUSB0, /dev/serial/by-id/...), a URL (socket://host:port,
rfc2217://host:port), sim:SCENARIO (a built-in board) or replay:FILE (a recorded transcript)."""
_EPILOG: Final = """\
examples:
  esperd ttyUSB0                        own one board; then: esperctl attach
  esperd left=ttyUSB0 right=ttyUSB1     two boards, one daemon
  esperd sim:crash                      no board at hand: a simulated one that crashes"""


def main(argv: list[str] | None = None) -> int:
    """Runs the daemon; returns the exit code."""
    try:
        arguments = parser().parse_args(argv)
    except OSError as error:
        return _unwritten(error)
    log = DaemonLog()
    service, failure = ServiceManager(), "esperd failed; its log says how"
    try:
        service = take_service_manager(os.environ)
        config = _load(arguments, service)
        with _logging(log, config):
            code = _run(config, service, partial(_load, arguments, service))
    except EsperdError as error:
        code, failure = error.exit_code if log.is_stuck else _report(error), str(error)
    except KeyboardInterrupt:  # before the daemon listens to signals, or a second one, when all is closed
        code = EXIT_INTERRUPTED
    restarts = Restarts(service, default_directories()["runtime_dir"], arguments.instance or "esperd")
    if code in (EXIT_FAILED, EXIT_BUSY):
        restarts.pause(failure)
    else:
        restarts.forget()
    if log.is_stuck:
        # All else is closed; see `DaemonLog` for what an orderly end of the interpreter would wait for.
        os._exit(code)
    _drop_unwritten()
    return code


def _run(config: Config, service: ServiceManager, load: Callable[[Config], Config]) -> int:
    for doubt in config.doubts:
        _log.warning("configuration problem=%s", doubt)
    try:
        trio.run(run_daemon, config, service, load)
    except EsperdError:
        raise
    except Exception as error:  # noqa: BLE001 - a programming error: logged in full, and a service manager starts us again
        _log.critical("esperd failed", exc_info=error)
        return EXIT_FAILED
    return 0


def _drop_unwritten() -> None:
    """Forgets what a terminal or a pipe that is gone did not take: else the interpreter exits with 120."""
    # None where the descriptor was closed at the start.
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            with Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())


def _unwritten(error: OSError) -> int:
    """Standard output took no help and no version; a reader who had enough is no error."""
    _drop_unwritten()
    if isinstance(error, BrokenPipeError):
        return 0
    return _report(EsperdError(f"the output can't be written: {error.strerror}"))


def _load(arguments: argparse.Namespace, service: ServiceManager, before: Config | None = None) -> Config:
    config = load_config(arguments, before)
    if service.listener is None:
        return config
    return dataclasses.replace(config, socket=Path(service.listener.getsockname()))


@contextmanager
def _logging(log: DaemonLog, config: Config) -> Generator[None]:
    for folder in ("", "boards", "coredumps", "elfs", "log"):
        check_owner(config.state_dir / folder, "--state-dir")
    # Whatever is made from now on is for the daemon's user, or for the group that the socket is for.
    os.umask(0o777 & ~config.access.directory_mode)
    with ExitStack() as held:
        try:
            held.enter_context(log.open(config.log_dir, config.socket.stem, config.log_level, config.access))
        except OSError as error:
            raise EsperdError(
                f"can't write the log in {config.log_dir}: {error.strerror}",
                "give esperd a --state-dir that it may write to",
            ) from error
        yield


def _report(error: EsperdError) -> int:
    if isinstance(error, InvalidFileError):
        # As `esperctl config check` says it.
        for problem in error.problems:
            sys.stderr.write(f"{problem}\n" + (f"  hint: {problem.hint}\n" if problem.hint else ""))
        sys.stderr.write("esperd: the configuration file is wrong, so nothing was started\n")
        return error.exit_code
    sys.stderr.write(f"esperd: {error}\n")
    if error.hint:
        sys.stderr.write(f"hint: {error.hint}\n")
    return error.exit_code


class _Parser(argparse.ArgumentParser):
    @override
    def _print_message(self, message: str, file: "SupportsWrite[str] | None" = None) -> None:
        """Raises OSError where help can't be written, which argparse keeps to itself."""
        is_asked_for = file is not None and file is sys.stdout
        if is_asked_for:
            sys.stdout.write(message)
            sys.stdout.flush()
        else:
            super()._print_message(message, file)


def parser() -> argparse.ArgumentParser:
    """The flags; a limit has the name of its key."""
    made = _Parser(
        prog="esperd",
        usage="esperd [OPTIONS] [PORT...]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("--version", action="version", version=f"esperd {PACKAGE_VERSION}")
    made.add_argument(
        "port",
        metavar="PORT",
        nargs="*",
        help="[NAME=]ENDPOINT, or the name of a configured board; without any, all configured boards",
    )
    made.add_argument("--instance", metavar="NAME", help="instead of PORT: the instance of a service, %%i of systemd")
    made.add_argument("--config", metavar="FILE", help="TOML file (default: the user's, then /etc/esperd/esperd.toml)")
    made.add_argument("--baud", metavar="N", help="baud rate of all ports (default 115200)")
    made.add_argument(
        "--elf",
        metavar="PATH",
        action="append",
        help="ELF file of a firmware, or a folder that is watched for them; repeatable",
    )
    made.add_argument("--state-dir", metavar="DIR", help="journals and core dumps")
    made.add_argument("--runtime-dir", metavar="DIR", help="where the socket is made")
    made.add_argument("--socket", metavar="PATH", help="the socket itself (default: RUNTIME_DIR/FIRST_BOARD.sock)")
    made.add_argument("--log-level", choices=("debug", "info", "warning", "error"))
    limits = made.add_argument_group("limits (also keys of [limits] in the configuration file)")
    defaults = Limits()
    for field in msgspec.structs.fields(Limits):
        default: int | float = getattr(defaults, field.name)
        is_size = field.name.endswith("_bytes")
        limits.add_argument(
            f"--{field.name.replace('_', '-')}",
            dest=field.name,
            metavar="SIZE" if is_size else "N",
            help=f"default {size_text(int(default)) if is_size else f'{default:g}'}",
        )
    return made
