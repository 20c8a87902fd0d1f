"""Installs the version before this one in a container, uses it, upgrades it, and uninstalls it.

Run as ``python -m tests.systemd.upgrade.run [COMMIT]``; see ``tests/systemd/run.py`` for what it needs. The version
before is that of COMMIT, else of the commit before the last; where that has no `esperctl service`, this version takes
its place.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.systemd.run import (
    REPOSITORY,
    CannotError,
    boot,
    build_wheels,
    cache_folder,
    make_tree,
    make_wheels,
    prepare_machine,
)


def main(words: list[str]) -> int:
    """Returns the exit code: that of the tests."""
    os.environ["ESPER_TESTS"] = "../upgrade/check_upgrade.py"
    try:
        prepare_machine()
        cache = cache_folder()
        tree = make_tree(cache)
        wheels = make_wheels(cache)
        make_previous_wheel(wheels, words[0] if words else "HEAD^")
        return boot(tree, wheels)
    except CannotError as error:
        is_required = bool(os.environ.get("CI") or os.environ.get("ESPER_REQUIRE_SYSTEMD"))
        print(f"test-upgrade: {'failed' if is_required else 'not run'}: {error}", file=sys.stderr)
        return int(is_required)


def make_previous_wheel(wheels: Path, commit: str) -> None:
    """The wheel of *commit*, in a folder of its own: it may have the same name as this version's.

    Raises:
        CannotError: it can't be built.
    """
    folder = wheels / "previous"
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as name:
        source = Path(name)
        archived = subprocess.run(["git", "archive", commit], cwd=REPOSITORY, stdout=subprocess.PIPE, check=False)
        if archived.returncode == 0:
            subprocess.run(["tar", "-x", "-C", source], input=archived.stdout, check=True)
        if not (source / "esperctl/service").is_dir():
            print(f"test-upgrade: {commit} has no `esperctl service`; upgrading from this version", flush=True)
            source = REPOSITORY
        build_wheels(folder, "--no-deps", source)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
