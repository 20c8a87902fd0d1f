"""Versions: of the distribution, and of the wire protocol, which changes far less often."""

PACKAGE_VERSION = "0.1.0"

PROTOCOL_VERSION = 1
"""Raised only when an older peer could not understand a newer one; new kinds and fields do not raise it."""

OLDEST_COMPATIBLE_PROTOCOL_VERSION = 1
"""A peer that speaks less than this is refused with a message that names both versions."""
