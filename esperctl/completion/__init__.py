"""Shell completion: the shells' scripts ask ``esperctl __complete``, which asks the command table and the daemons.

``scripts`` has the three scripts, ``command_words`` takes a shell's words apart, ``candidates`` finds out what may
stand at the cursor, ``names`` asks the daemons for boards, core dumps and ELF files. A script knows nothing about
esperctl but how to ask it, so that an installed one does not go stale.
"""
