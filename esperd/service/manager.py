"""The service manager that started the daemon: what it may be told, and the socket that it may have passed on.

Both interfaces are systemd's, and small: datagrams of ``NAME=value`` lines (sd_notify(3)), and open descriptors from
number three on (sd_listen_fds(3)). Without a service manager nothing is said and nothing is taken.
"""

import os
import socket
import stat
import time
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Final

from esperd.errors import ConfigurationError, StartError
from esperd.service.messages import Messages

# Source: sd_listen_fds(3), SD_LISTEN_FDS_START.
_FIRST_DESCRIPTOR: Final = 3
_MICROSECONDS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """What the daemon may say while it runs.

    Nothing here waits or raises: a daemon that can't tell its service manager is one that still does its work. What the
    manager does not take at once ``deliver`` gives to it, in this order, when it does.

    Args:
        address: Where datagrams go: a path, or a name that begins with ``@`` for an abstract socket; None for nobody.
        watchdog_s: The manager acts when ``alive`` is not said for this long; None when it does not watch.
        listener: The listening socket that it passed on.
    """

    address: str | None = None
    watchdog_s: float | None = None
    listener: socket.socket | None = None
    _messages: Messages = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # As a frozen dataclass sets its fields.
        object.__setattr__(self, "_messages", Messages(self.address))

    async def deliver(self) -> None:
        """Hands over what had to wait, until cancelled."""
        await self._messages.deliver()

    def ready(self) -> None:
        """The start, or a reload, is over: clients are served."""
        self._messages.send("READY=1")

    def reloading(self) -> None:
        """The configuration is being read again; ``ready`` follows."""
        # The time tells the manager which of its requests this answers. Source: sd_notify(3).
        self._messages.send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """An orderly stop has begun."""
        self._messages.send("STOPPING=1")

    def alive(self) -> None:
        """Whatever the watchdog is to watch has been seen to work."""
        # Late it would be no proof of life any more.
        self._messages.send_or_drop("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line for people."""
        self._messages.send(f"STATUS={text}", replaces="STATUS=")


def take_service_manager(environment: MutableMapping[str, str]) -> ServiceManager:
    """Takes what the service manager left in *environment* out of it, so that no child believes to be meant.

    Raises:
        ConfigurationError: the watchdog's period is no number.
        StartError: a socket was passed on that clients can't be served on.
    """
    address = environment.pop("NOTIFY_SOCKET", "") or None
    return ServiceManager(address, _take_watchdog(environment), _take_listener(environment))


def _take_watchdog(environment: MutableMapping[str, str]) -> float | None:
    period, pid = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
    if not period or (pid and pid != str(os.getpid())):
        return None
    if not period.isdecimal() or int(period) == 0:
        raise ConfigurationError(f"WATCHDOG_USEC is {period!r}; it must be a number of microseconds")
    return int(period) / _MICROSECONDS


def _take_listener(environment: MutableMapping[str, str]) -> socket.socket | None:
    count, pid = environment.pop("LISTEN_FDS", ""), environment.pop("LISTEN_PID", "")
    environment.pop("LISTEN_FDNAMES", None)
    if not count or pid != str(os.getpid()):
        return None
    if count != "1":
        raise StartError(f"the service manager passed on {count} sockets", "give the socket unit one ListenStream=")
    try:
        if not stat.S_ISSOCK(os.fstat(_FIRST_DESCRIPTOR).st_mode):
            raise _not_usable()
        listener = socket.socket(fileno=_FIRST_DESCRIPTOR)
        listener.set_inheritable(False)
    except OSError as error:
        # It is not even open.
        raise _not_usable() from error
    is_ours = listener.family == socket.AF_UNIX and listener.type == socket.SOCK_STREAM
    is_listening = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
    # The name of an abstract socket is bytes: clients look for daemons in a folder.
    if not (is_ours and is_listening and isinstance(listener.getsockname(), str)):
        listener.close()
        raise _not_usable()
    return listener


def _not_usable() -> StartError:
    return StartError(
        "what the service manager passed on is no Unix socket that listens", "give the socket unit ListenStream=/PATH"
    )
