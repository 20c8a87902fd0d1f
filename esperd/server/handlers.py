"""What a request handler is, and a kind of request together with its handler, checked to fit."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import msgspec

from esper_protocol.messages import RequestBody, Result

if TYPE_CHECKING:
    from esperd.server.client import ClientSession

_Body = TypeVar("_Body", bound=RequestBody)
BoundHandler: TypeAlias = tuple[type[msgspec.Struct], Callable[..., Awaitable[Result]]]


def bind(kind: type[_Body], handler: Callable[["ClientSession", _Body], Awaitable[Result]]) -> BoundHandler:
    """An entry of the table of handlers."""
    return kind, handler
