"""Installs esperd as a service of systemd, and takes it away again.

`installation` and `removal` look and decide, and change nothing: what is to be done is a list of `steps`, which is
shown as it is by ``--dry-run`` and carried out by `performing`. What is written is noted before in a `record`, which
goes last, so that exactly that is removed.
"""
