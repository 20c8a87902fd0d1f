"""Opening a terminal device: each way it can fail becomes an error that says what to do."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from functools import partial

from esperd.ports.holders import Holder, describe_holders, find_holders
from esperd.ports.port import PortBusy, PortError, PortNotFound, PortPermission, PortUnsupported
from esperd.ports.tty import TtyPort, is_pseudo_terminal, take_exclusively
from esperd.ports.tty_settings import actual_baud_rate, make_raw
from esperd.system.name_service import ask_in_time

# EIO after the hang-up of a pseudo-terminal or a USB device, ENXIO and ENODEV from drivers already unbound.
_GONE_ERRORS = frozenset({errno.EIO, errno.ENXIO, errno.ENODEV})

# A UART tolerates about 5 % between sender and receiver before the last bit of a byte is misread.
_BAUD_TOLERANCE = 0.05


async def open_tty(path: str, *, baud: int, was_lent: bool = False) -> TtyPort:
    """Opens, locks and configures a terminal device; DTR, RTS and waiting input stay as they are.

    Args:
        path: The device or a link to it, e.g. ``/dev/serial/by-id/usb-…``.
        baud: Bit/s; any positive number, not only the standard rates.
        was_lent: Whether to see who else has it open also if it is a pseudo-terminal.

    Raises:
        PortNotFound, PortBusy, PortPermission, PortUnsupported, PortError: As their names say.

    Ownership:
        The caller closes the port.
    """
    is_pseudo = is_pseudo_terminal(await _device_number(path))
    try:
        # O_NONBLOCK also means: do not wait for a carrier.
        descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise await _explain(error, path, is_pseudo=is_pseudo) from error
    try:
        if os.isatty(descriptor) and (was_lent or not is_pseudo):
            await _refuse_if_shared(path, but_far_end=is_pseudo)
        return _take(descriptor, path, baud)
    except OSError as error:
        os.close(descriptor)
        raise await _explain(error, path, is_pseudo=is_pseudo) from error
    except BaseException:
        os.close(descriptor)
        raise


async def _device_number(path: str) -> int:
    """Looks before opening: opening a pipe could wait, and opening other devices has effects."""
    try:
        status = os.stat(path)  # noqa: PTH116 - one call whose errors are explained below
    except PermissionError:
        raise await _permission(path) from None
    except OSError as error:
        raise _not_found(path, error) from error
    if not stat.S_ISCHR(status.st_mode):
        raise _not_a_terminal(path)
    return status.st_rdev


async def _refuse_if_shared(path: str, *, but_far_end: bool) -> None:
    """Two readers of one device get half of the bytes each, and not every program locks (or heeds a lock).

    Asked of a pseudo-terminal only after a loan, which may be over before all that it was for: nobody else comes upon
    one by accident, and a simulated board is to be there at once.
    """
    holders = await find_holders(path, but_far_end=but_far_end)
    others = [holder for holder in holders if holder.pid != os.getpid()]
    if others:
        raise _busy(path, others)


def _take(descriptor: int, path: str, baud: int) -> TtyPort:
    if not os.isatty(descriptor):
        raise _not_a_terminal(path)
    take_exclusively(descriptor)
    try:
        make_raw(descriptor, baud_rate=baud)
    except OSError as error:
        if error.errno in _GONE_ERRORS:
            raise
        raise _wrong_rate(path, baud, "the driver refuses it") from error
    actual = actual_baud_rate(descriptor)
    if actual is not None and abs(actual - baud) > baud * _BAUD_TOLERANCE:
        raise _wrong_rate(path, baud, f"the driver offers {actual}")
    return TtyPort(descriptor, path)


async def _explain(error: OSError, path: str, *, is_pseudo: bool) -> PortError:
    match error.errno:
        case errno.EACCES | errno.EPERM:
            return await _permission(path)
        case errno.EBUSY | errno.EWOULDBLOCK:
            # Who plays the board has both ends open, and not the port itself; unless there is nobody else.
            holders = await find_holders(path, but_far_end=is_pseudo) or await find_holders(path)
            return _busy(path, holders)
        case errno.ENOENT | errno.EIO | errno.ENXIO | errno.ENODEV:
            return _not_found(path, error)
        case _:
            return PortError(
                path, f"cannot open {path} ({error.strerror}): run `esperctl doctor` to look at this machine"
            )


def _not_found(path: str, error: OSError) -> PortNotFound:
    return PortNotFound(
        path, f"no board at {path} ({error.strerror}): plug it in, or see `ls -l /dev/serial/by-id` for others"
    )


def _not_a_terminal(path: str) -> PortError:
    return PortError(path, f"{path} is not a terminal device: name a serial port, such as /dev/ttyUSB0")


def _busy(path: str, holders: list[Holder]) -> PortBusy:
    if [holder.pid for holder in holders] == [os.getpid()]:
        return PortBusy(
            path,
            f"{path} is open in this esperd for another of its boards: it is opened when that one has closed it",
            is_ours=True,
        )
    return PortBusy(path, f"{path} is held by {describe_holders(holders)}: close that program to free the port")


def _wrong_rate(path: str, baud: int, reason: str) -> PortUnsupported:
    return PortUnsupported(path, f"{path} cannot run at {baud} baud ({reason}): choose another rate with --baud")


async def _permission(path: str) -> PortPermission:
    otherwise = f"{path} may not be opened by uid {os.geteuid()}: see `ls -ln {path}` for who may"
    return PortPermission(path, await ask_in_time(partial(_permission_text, path), otherwise))


def _permission_text(path: str) -> str:
    """Blocks: the databases of users and groups may be elsewhere."""
    user = _user_name(os.geteuid())
    try:
        status = os.stat(path)  # noqa: PTH116 - see _device_number
    except OSError:
        return f"{path} may not be looked at by user {user}: check its folder's permissions"
    return f"{path} may not be opened by user {user}: {permission_advice(status, user)}"


def permission_advice(status: os.stat_result, user: str) -> str:
    """Says what makes a device openable, from its mode and group (pure but for the group database)."""
    group = _group_name(status.st_gid)
    group_mode = stat.S_IRGRP | stat.S_IWGRP
    if status.st_mode & group_mode != group_mode or status.st_gid == 0:
        mode = stat.filemode(status.st_mode)
        return f"its mode is {mode} and its group {group}, add a udev rule that gives it to the group dialout"
    if user in _members(status.st_gid):
        return f"{user} is in the group {group} since the last login, so log in again (or restart the service)"
    return f"run `sudo usermod -aG {group} {user}` and log in again (or restart the service)"


def _members(group_id: int) -> list[str]:
    try:
        return grp.getgrgid(group_id).gr_mem
    except KeyError:
        return []


def _group_name(group_id: int) -> str:
    try:
        return grp.getgrgid(group_id).gr_name
    except KeyError:
        return str(group_id)


def _user_name(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)
