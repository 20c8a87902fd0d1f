"""For tests: a real daemon as a process, a viewer on its socket, and boards that the test plays itself.

``daemon`` starts and ends ``esperd``, ``viewer`` is a client in the test's own task, ``screen`` a program at a terminal
as a person sees it, ``terminal`` a board at a pseudo-terminal, ``dumps`` makes core dumps as a board prints them,
``elf_files`` programs and cores. Nothing here is a fake of this project's own code.
"""
