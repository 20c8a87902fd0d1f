"""Errors of the wire protocol, by whose fault they are.

* ProtocolError
    * LocalProtocolError: this side asked for something the protocol does not allow
    * RemoteProtocolError: the peer broke the protocol; the connection is of no further use
        * IncompatibleVersionError: the peer speaks a version that this side does not
"""


class ProtocolError(Exception):
    """Base of both; never raised itself."""


class LocalProtocolError(ProtocolError):
    """A message that must not be sent in this state, or that is larger than the limit."""


class RemoteProtocolError(ProtocolError):
    """The peer sent something that is not a valid message here; close the connection."""


class IncompatibleVersionError(RemoteProtocolError):
    """The versions of the two sides do not overlap; the message names both."""
