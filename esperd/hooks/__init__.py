"""Commands of the configuration that are run once for each crash.

``crash_watch`` says when there is one to tell, ``record`` what is told, ``command`` runs one program, ``crash_hooks``
puts them together. Nothing here runs on the reading path but a glance at events that are not lines.
"""
