"""One client's connection, from the handshake to its end."""

import itertools
import logging
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import trio

from esper_protocol.codec import UnknownRequest, error_for
from esper_protocol.connection import ServerConnection
from esper_protocol.errors import IncompatibleVersionError, LocalProtocolError, RemoteProtocolError
from esper_protocol.events import Failure, ViewerAttached, ViewerDetached
from esper_protocol.messages import ErrorResponse, Hello, Request, Response, Result, Subscribe, Subscribed
from esper_protocol.version import PACKAGE_VERSION
from esperd.board.board import Board
from esperd.board.lease import Writer
from esperd.daemon_log.limited_log import LimitedLog
from esperd.errors import CommandError, innermost
from esperd.server.output import Output
from esperd.server.peer import Peer
from esperd.server.registry import Registry
from esperd.server.requests import answer_request
from esperd.server.rights import may
from esperd.server.subscription import Subscription
from esperd.server.user_names import unnamed
from esperd.storage.journal_search import seq_at_time, seq_of_last_lines

if TYPE_CHECKING:
    from esperd.decode.elf_upload import Upload

_log: Final = LimitedLog(logging.getLogger(__name__))

SOFTWARE: Final = f"esperd {PACKAGE_VERSION}"
# Whoever connects and says nothing holds one of a limited number of places.
_HANDSHAKE_TIMEOUT_S: Final = 5.0
_RECEIVE_BYTES: Final = 64 * 1024
# To remove a file takes milliseconds; what a disk that hangs keeps of an upload, the next start removes.
_DROP_S: Final = 2.0
_ids: Final[Iterator[int]] = itertools.count(1)


class ClientSession:
    """Serves one client; owns its socket."""

    def __init__(self, client_socket: socket.socket, registry: Registry, peer: Peer) -> None:
        self.id = next(_ids)
        self.registry = registry
        self.peer = peer
        self.who = peer.called(unnamed(peer.user))
        self._socket = client_socket
        self._connection = ServerConnection(SOFTWARE)
        self._output = Output(client_socket)
        self._subscriptions: dict[str, Subscription] = {}
        self._to_activate: Subscription | None = None
        self.upload: Upload | None = None
        self._scope = trio.CancelScope()

    async def run(self) -> None:
        """Serves until the client goes, breaks the protocol, or the daemon stops. Raises nothing but Cancelled."""
        reason = "the daemon stops"
        self.registry.sessions.add(self)
        try:
            with self._scope:
                self.who = self.peer.called(await self.registry.names.name(self.peer.user))
                reason = await self._serve()
            if self._scope.cancelled_caught:
                reason = "it may not view any more"
        except Exception as error:  # noqa: BLE001 - the supervision point of a client: it must not end the daemon
            reason = f"esperd failed: {innermost(error)}"
            self._note_unexpected(error)
        finally:
            self.registry.sessions.discard(self)
            for subscription in list(self._subscriptions.values()):
                self.unsubscribe(subscription.board, reason)
            for board in self.registry.boards.values():
                board.lease.release(self.id)
                board.lending.take_back(self.id)
            self._socket.close()
            with trio.move_on_after(_DROP_S, shield=True):
                await self.drop_upload()

    def check_rights(self) -> None:
        """Takes what it may not have any more, after the permissions have changed."""
        permissions = self.registry.rules.permissions
        if not may(permissions, self.peer, "view"):
            self._refuse("permission", f"{self.who} may not view boards any more")
            self._scope.cancel()
        elif not may(permissions, self.peer, "write"):
            for board in self.registry.boards.values():
                board.lease.release(self.id)
                board.lending.take_back(self.id)

    @property
    def writer(self) -> Writer:
        """Who it is to a write lease."""
        return Writer(self.id, self.peer.user, self.who)

    def take_lease(self, board: Board, *, steal: bool) -> None:
        """Takes the board's write lease, which makes this client one that types there, whether it began as one or not.

        Raises:
            CommandError: ``busy``.
        """
        board.lease.take(self.writer, steal=steal)
        if (subscription := self._subscriptions.get(board.name)) is not None:
            subscription.is_interactive = True

    def check_may_write(self, board: Board, *, anyway: bool, flag: str) -> None:
        """Lets through what the board's write lease does not keep out, or whatever is to be done *anyway*.

        Args:
            board: Where it is to be written.
            anyway: Whether also while another user holds the lease.
            flag: What a user says for this.

        Raises:
            CommandError: ``busy``.
        """
        if not anyway:
            subscription = self._subscriptions.get(board.name)
            is_interactive = subscription is not None and subscription.is_interactive
            board.lease.check_may_write(self.writer, is_interactive=is_interactive, flag=flag)

    def end_subscription(self, board: Board, reason: str) -> None:
        """Has the subscription to a board that is served no longer, if there is one, end when all was sent."""
        subscription = self._subscriptions.get(board.name)
        if subscription is not None and subscription.board is board:
            board.publisher.remove_follower(subscription)
            subscription.end(reason)

    async def drop_upload(self) -> None:
        """Forgets the ELF file that the client is sending, if there is one."""
        if self.upload is not None:
            upload, self.upload = self.upload, None
            # Not as a question to the store, which others may be waiting for: it concerns this one file.
            await trio.to_thread.run_sync(upload.close, abandon_on_cancel=True)

    async def _serve(self) -> str:
        reason = "gone"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._output.run)
            try:
                reason = await self._receive()
            except RemoteProtocolError as error:
                reason = f"broke the protocol: {error}"
                code = "incompatible_version" if isinstance(error, IncompatibleVersionError) else "bad_request"
                self._refuse(code, str(error))
                _log.write(logging.WARNING, "client refused who=%s error=%s", self.who, error)
            nursery.cancel_scope.cancel()
        return reason

    def _refuse(self, code: str, message: str) -> None:
        self._output.put(ServerConnection(SOFTWARE).send(ErrorResponse(0, code, message)))

    # Receiving ----------------------------------------------------------------------------------------

    async def _receive(self) -> str:
        with trio.move_on_after(_HANDSHAKE_TIMEOUT_S) as handshake:
            while self._connection.hello is None:
                if not await self._receive_once():
                    return "gone before the handshake"
        if handshake.cancelled_caught:
            self._refuse("timed_out", f"no handshake within {_HANDSHAKE_TIMEOUT_S:g} s")
            return "no handshake"
        permissions = self.registry.rules.permissions
        if not may(permissions, self.peer, "view"):
            # At once, and not request by request: it is not to hold one of a limited number of places.
            self._refuse("permission", f"{self.who} may not view boards; {permissions.who_may('view')} may")
            _log.write(logging.WARNING, "client refused who=%s right=view", self.who)
            return "it may not view"
        # Without a deadline: a viewer asks for nothing for days.
        while await self._receive_once():
            pass
        return "detached"

    async def _receive_once(self) -> bool:
        await trio.lowlevel.wait_readable(self._socket)
        try:
            data = self._socket.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not data:
            return False
        for message in self._connection.receive_data(data):
            await self._output.wait_room()
            match message:
                case Hello():
                    self._output.put(self._connection.welcome())
                case Request():
                    await self._answer(message)
                case UnknownRequest():
                    self._output.put(
                        self._connection.send(
                            error_for(message, "unsupported", f"{SOFTWARE} does not know the request {message.kind}")
                        )
                    )
        return True

    async def _answer(self, request: Request) -> None:
        try:
            frame = self._connection.send(Response(request.id, await answer_request(self, request.body)))
        except CommandError as error:
            frame = self._connection.send(error_for(request, error.code, str(error), error.hint))
        except (OSError, LocalProtocolError) as error:
            kind = type(request.body).__name__
            _log.write(logging.ERROR, "request failed who=%s request=%s error=%s", self.who, kind, error)
            frame = self._connection.send(error_for(request, "failed", str(error)))
        self._output.put(frame)
        if self._to_activate is not None:
            subscription, self._to_activate = self._to_activate, None
            self._output.add_source(subscription)
            if subscription.follows:
                subscription.board.publisher.add_follower(subscription)

    # Subscriptions ------------------------------------------------------------------------------------

    async def subscribe(self, request: Subscribe) -> Result:
        """Makes a subscription; it begins after the answer was sent."""
        board = self.registry.board(request.board)
        self.unsubscribe(board, "subscribed anew")
        end = _end_of(board, request)
        cursor = await self._start_of(board, request, board.publisher.next_seq if end is None else end)
        if end is not None:
            cursor = min(cursor, end)
        # It may have been retired while the start was looked for; then nobody would end this subscription.
        if self.registry.board(request.board) is not board:
            raise CommandError("unknown_board", f"{board.name}: it was configured anew meanwhile", "try again")
        # Whoever may not write views.
        wants_to_write = request.interactive and may(self.registry.rules.permissions, self.peer, "write")
        if wants_to_write and board.lease.holder is None:
            board.lease.take(self.writer, steal=False)
        subscription = Subscription(
            board, self._output, cursor, end, readers=self.registry.readers, is_interactive=request.interactive
        )
        self._subscriptions[board.name] = self._to_activate = subscription
        if subscription.follows:
            viewers = len(board.publisher.followers) + 1
            board.publisher.publish(ViewerAttached(self.id, self.who, viewers))
        return Subscribed(cursor, self.id, board.lease.holder, board.lease.is_held_by(self.id))

    def unsubscribe(self, board: Board, reason: str) -> None:
        """Ends the subscription to a board, if there is one."""
        subscription = self._subscriptions.pop(board.name, None)
        if subscription is None:
            return
        self._output.remove_source(subscription)
        board.publisher.remove_follower(subscription)
        if subscription.follows:
            viewers = len(board.publisher.followers)
            board.publisher.publish(ViewerDetached(self.id, self.who, viewers, reason))
            text = "viewer detached board=%s who=%s reason=%s behind=%d"
            _log.write(logging.INFO, text, board.name, self.who, reason, subscription.behind)

    async def _start_of(self, board: Board, request: Subscribe, present: int) -> int:
        if request.after is not None:
            return min(max(request.after + 1, 0), present)
        if request.since is not None:
            return await self._seq_at_time(board, request.since)
        if request.last_lines is not None:
            return await self._seq_of_last_lines(board, present, max(request.last_lines, 0))
        return present

    async def _seq_at_time(self, board: Board, at_ns: int) -> int:
        tail = board.publisher.tail
        if not tail.is_behind(at_ns):
            found = await trio.to_thread.run_sync(
                seq_at_time, board.parts.journal, at_ns, limiter=self.registry.readers
            )
            if found is not None:
                return found
        return tail.seq_at_time(at_ns)

    async def _seq_of_last_lines(self, board: Board, before_seq: int, lines: int) -> int:
        seq, missing = board.publisher.tail.seq_of_last_lines(before_seq, lines)
        if not missing:
            return seq
        older = await trio.to_thread.run_sync(
            seq_of_last_lines, board.parts.journal, seq, missing, limiter=self.registry.readers
        )
        return seq if older is None else older

    def _note_unexpected(self, error: Exception) -> None:
        cause = innermost(error)
        boards = [subscription.board for subscription in self._subscriptions.values()]
        context = "; ".join(f"board={board.name} {board.describe_running()}" for board in boards)
        _log.write(logging.ERROR, "client failed who=%s %s", self.who, context, error=error)
        for board in boards:
            board.publisher.publish(Failure("viewer", f"{type(cause).__name__}: {cause}", self.who, None))


def _end_of(board: Board, request: Subscribe) -> int | None:
    """The position before which the subscription ends; None when it follows."""
    present = board.publisher.next_seq
    if request.until is not None:
        return min(max(request.until, 0), present)
    return None if request.follow else present
