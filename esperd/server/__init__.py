"""The Unix socket: who may connect, what they ask, and how each viewer gets the events at its own pace.

``listener`` accepts, ``client`` is one connection, ``output`` its sending side, ``subscription`` a viewer's place in a
board's events, ``requests`` and ``coredump_requests`` what can be asked, ``registry`` of what, ``records`` the answers
about boards.
"""
