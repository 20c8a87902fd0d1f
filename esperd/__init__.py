"""The daemon: owns serial ports, journals what boards say, captures core dumps, serves viewers.

Read the folders in the order a byte takes: ``ports`` (a descriptor that yields bytes), ``core`` (pure state
machines: lines, boots, panics, core dumps), ``board`` (the task that joins the two), ``storage`` (journal and
core dumps on disk), ``server`` (the Unix socket and its viewers). ``daemon`` nests them; ``cli`` starts it.
"""
