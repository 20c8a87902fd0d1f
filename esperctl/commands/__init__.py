"""One module for each command: ``add_arguments(parser)`` and ``run(arguments, output) -> exit code``.

Optional: ``USAGE`` and ``DESCRIPTION``, where what argparse writes would mislead.
"""
