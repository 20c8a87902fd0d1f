"""``esperctl doctor``: looks at a machine, says what is wrong with it, and which command mends it.

``findings`` is what a check says, ``machine`` what it may look at (so that tests bring a made-up one), ``survey`` what
the daemons answered, ``examination`` runs the checks, one small module for each topic, and ``report`` writes it down.
Nothing here changes anything, opens a port, or needs a daemon.
"""
