"""The clipboard by an escape sequence: OSC 52 (xterm's ctlseqs, "Manipulate Selection Data"). Pure.

It works through ssh, and in every terminal that allows it; whether one does cannot be seen from here.
"""

import base64
from typing import Final

# Terminals take 100 000 bytes of sequence or fewer; what is beyond is dropped without a word.
MOST_BASE64_BYTES: Final = 74_994


def clipboard_sequence(text: str, *, in_tmux: bool) -> str | None:
    """What puts *text* on the clipboard; None when it is too large.

    Inside tmux it is sent twice: to tmux, which hands it on with ``set-clipboard on``, and through tmux to the terminal
    around it, which works with ``allow-passthrough on``.
    """
    payload = base64.b64encode(text.encode("utf-8", "replace")).decode("ascii")
    if len(payload) > MOST_BASE64_BYTES:
        return None
    sequence = f"\x1b]52;c;{payload}\x07"
    if not in_tmux:
        return sequence
    doubled = sequence.replace("\x1b", "\x1b\x1b")
    return f"{sequence}\x1bPtmux;{doubled}\x1b\\"
