"""RFC 2217, client side, without I/O: Telnet bytes in, a board's bytes out, and the reverse.

Telnet (RFC 854) marks commands by IAC (255) and doubles a data byte of that value. Options are negotiated by
WILL/WONT (about the speaker) and DO/DONT (about the listener); an answer is owed only to a request that would change
something (RFC 854, "to prevent loops"). The serial line is controlled by subnegotiations of COM-PORT-OPTION (44),
whose server codes are the client's plus 100 (RFC 2217, section 3).

Two freedoms are taken. Data is never translated: BINARY (RFC 856) is asked for, and a server that refuses it, and
would send a NUL after a CR, changes the board's bytes on its own account. FLOWCONTROL-SUSPEND is ignored, for TCP
already holds back a sender.
"""

from __future__ import annotations

import enum
import re

IAC = 255

_WILL, _WONT, _DO, _DONT, _SB, _SE = 251, 252, 253, 254, 250, 240

# Options: RFC 856, 857, 858, 2217.
_BINARY, _ECHO, _SUPPRESS_GO_AHEAD, COM_PORT_OPTION = 0, 1, 3, 44

# A subnegotiation of RFC 2217 has at most 9 bytes but SIGNATURE, which is a line of free text.
_MAX_COMMAND_BYTES = 1024

# One whole command. Inside a subnegotiation any IAC but "IAC SE" belongs to it.
_COMMAND = re.compile(
    rb"\xff(?:(?P<verb>[\xfb-\xfe])(?P<option>.)"
    rb"|\xfa(?P<parameters>(?:[^\xff]|\xff[^\xf0])*)\xff\xf0"
    rb"|(?P<other>[^\xfa-\xfe]))",
    re.DOTALL,
)


class TelnetError(ValueError):
    """The far side does not speak Telnet."""


class Request(enum.IntEnum):
    """Client codes of COM-PORT-OPTION (RFC 2217, section 3)."""

    SET_BAUDRATE = 1
    SET_DATASIZE = 2
    SET_PARITY = 3
    SET_STOPSIZE = 4
    SET_CONTROL = 5


class Control(enum.IntEnum):
    """Values of SET-CONTROL (RFC 2217, section 3)."""

    NO_FLOW_CONTROL = 1
    BREAK_ON = 5
    BREAK_OFF = 6
    DTR_ON = 8
    DTR_OFF = 9
    RTS_ON = 11
    RTS_OFF = 12


_SERVER_SET_BAUDRATE = Request.SET_BAUDRATE + 100
_PARITY_NONE = 1
_STOPSIZE_1 = 1


class ComPortState(enum.Enum):
    """Where the negotiation of COM-PORT-OPTION stands."""

    ASKED = "asked"
    ACCEPTED = "accepted"
    REFUSED = "refused"


class _OptionSide:
    """The options of one side: ours (WILL) or theirs (DO).

    RFC 1143 without its queue bit, as nothing is ever asked for twice.
    """

    def __init__(self, yes: int, no: int, acceptable: frozenset[int]) -> None:
        self._yes = yes
        self._no = no
        self._acceptable = acceptable
        self.asked: set[int] = set()
        self.enabled: set[int] = set()

    def ask(self, option: int) -> bytes:
        self.asked.add(option)
        return bytes([IAC, self._yes, option])

    def on_positive(self, option: int) -> bytes:
        """They agree or request; returns the answer owed, if any."""
        if option in self.asked:
            self.asked.discard(option)
            self.enabled.add(option)
            return b""
        if option in self.enabled:
            return b""
        if option not in self._acceptable:
            return bytes([IAC, self._no, option])
        self.enabled.add(option)
        return bytes([IAC, self._yes, option])

    def on_negative(self, option: int) -> bytes:
        """They refuse or end it; returns the answer owed, if any."""
        self.asked.discard(option)
        if option not in self.enabled:
            return b""
        self.enabled.discard(option)
        return bytes([IAC, self._no, option])


class Rfc2217Connection:
    """One Telnet connection to a serial port server.

    What is to be written (requests, answers, data) collects in one buffer in the order it was asked for; the owner
    takes it with ``data_to_send``. Nothing here changes DTR, RTS or the break state but the calls that say so.
    """

    def __init__(self) -> None:
        options = frozenset({_BINARY, _SUPPRESS_GO_AHEAD, COM_PORT_OPTION})
        self._ours = _OptionSide(_WILL, _WONT, options)
        # A server that offers to echo means "do not echo yourself"; nobody does here.
        self._theirs = _OptionSide(_DO, _DONT, options | {_ECHO})
        self._outgoing = bytearray()
        self._unparsed = b""
        self.actual_baud_rate: int | None = None
        """What the server last said its port runs at, in bit/s."""
        # Both directions: RFC 2217 has the client say WILL, but some servers only react to DO.
        for option in (_BINARY, _SUPPRESS_GO_AHEAD, COM_PORT_OPTION):
            self._outgoing += self._ours.ask(option) + self._theirs.ask(option)

    @property
    def com_port_state(self) -> ComPortState:
        """Accepted as soon as one direction is; refused when both are."""
        if COM_PORT_OPTION in self._ours.enabled | self._theirs.enabled:
            return ComPortState.ACCEPTED
        if COM_PORT_OPTION in self._ours.asked | self._theirs.asked:
            return ComPortState.ASKED
        return ComPortState.REFUSED

    def receive_data(self, chunk: bytes) -> bytes:
        """Takes bytes from the network in any chunking; returns the board's bytes among them.

        Raises:
            TelnetError: A command that never ends.
        """
        if not self._unparsed and IAC not in chunk:
            return chunk
        buffer = self._unparsed + chunk
        data = bytearray()
        position = 0
        while (start := buffer.find(IAC, position)) >= 0:
            data += buffer[position:start]
            position = start
            command = _COMMAND.match(buffer, start)
            if command is None:
                break
            position = command.end()
            data += self._receive_command(command)
        else:
            data += buffer[position:]
            position = len(buffer)
        self._unparsed = buffer[position:]
        if len(self._unparsed) > _MAX_COMMAND_BYTES:
            raise TelnetError(f"a Telnet command of more than {_MAX_COMMAND_BYTES} bytes")
        return bytes(data)

    def data_to_send(self) -> bytes:
        """Everything that is to be written now; the caller has it from here on."""
        outgoing = bytes(self._outgoing)
        self._outgoing.clear()
        return outgoing

    def send_data(self, data: bytes) -> None:
        """Queues bytes for the board."""
        self._outgoing += data.replace(b"\xff", b"\xff\xff")

    def request_settings(self, *, baud_rate: int) -> None:
        """Asks for 8N1 at *baud_rate* bit/s without flow control, which would take XON and XOFF out of the data."""
        self._request(Request.SET_BAUDRATE, baud_rate.to_bytes(4, "big"))
        self._request(Request.SET_DATASIZE, bytes([8]))
        self._request(Request.SET_PARITY, bytes([_PARITY_NONE]))
        self._request(Request.SET_STOPSIZE, bytes([_STOPSIZE_1]))
        self.request_control(Control.NO_FLOW_CONTROL)

    def request_control(self, control: Control) -> None:
        """Asks for one change of a line."""
        self._request(Request.SET_CONTROL, bytes([control]))

    def _request(self, request: Request, value: bytes) -> None:
        escaped = value.replace(b"\xff", b"\xff\xff")
        self._outgoing += bytes([IAC, _SB, COM_PORT_OPTION, request]) + escaped + bytes([IAC, _SE])

    def _receive_command(self, command: re.Match[bytes]) -> bytes:
        """Reacts to one command; returns the data byte it stands for, if it stands for one."""
        if (parameters := command["parameters"]) is not None:
            self._receive_subnegotiation(parameters.replace(b"\xff\xff", b"\xff"))
        elif (option := command["option"]) is not None:
            self._outgoing += self._answer(command["verb"][0], option[0])
        elif command["other"][0] == IAC:
            return b"\xff"
        return b""

    def _answer(self, verb: int, option: int) -> bytes:
        match verb:
            case _ if verb == _DO:
                return self._ours.on_positive(option)
            case _ if verb == _DONT:
                return self._ours.on_negative(option)
            case _ if verb == _WILL:
                return self._theirs.on_positive(option)
            case _:
                return self._theirs.on_negative(option)

    def _receive_subnegotiation(self, parameters: bytes) -> None:
        if parameters[:2] == bytes([COM_PORT_OPTION, _SERVER_SET_BAUDRATE]) and len(parameters) == 6:
            self.actual_baud_rate = int.from_bytes(parameters[2:], "big")
