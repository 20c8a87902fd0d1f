"""One board: the task that owns its port, and what it does with what the pure part tells it.

``publisher`` gives every event its position and hands its frame to memory, disk and viewers; ``captures`` carries out
what concerns core dumps; ``session`` is the read loop of one open port; ``board`` opens the port again and again, and
does what clients ask for; ``lease`` says who may write; ``summary`` is what ``status`` shows.
"""
