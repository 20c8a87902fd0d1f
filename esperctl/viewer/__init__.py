"""The full-screen viewer: ``esperctl attach`` on a terminal.

What happens to a byte: ``connection`` (asyncio) receives events and hands them, as keys and sizes of the terminal come
too, to ``model`` (pure) as a message; ``model`` keeps the lines in ``log`` (pure) and answers with effects, which
``connection`` carries out. ``model`` describes what is to be seen as a ``view`` (values); ``screen`` (pure) draws it
into a picture of exactly the terminal's size; ``terminal`` (prompt_toolkit) paints the picture and reads keys.
"""
