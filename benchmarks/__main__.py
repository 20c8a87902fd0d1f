"""``python -m benchmarks quick|full``: measures, prints the table of goals, keeps the rounds in results/."""

import argparse
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.goals import GOALS, judge, judge_losses
from benchmarks.profiles import PROFILES
from benchmarks.results import details, save, table
from benchmarks.rounds import Outcome, run_rounds
from benchmarks.viewer_goals import VIEWER_GOALS


def _compile_as_if_installed(directory: Path) -> None:
    """Lets all programs keep what Python compiles, as an installed package does, but away from the sources."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(directory / "compiled")
    subprocess.run([sys.executable, "-c", "import esperd.cli, esperctl.viewer.run"], check=True)


def main() -> int:
    """Runs a profile; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("profile", choices=sorted(PROFILES))
    parser.add_argument("--only", metavar="NAME", action="append", help="only this experiment (repeatable)")
    parser.add_argument("--rounds", type=int, metavar="N", help="instead of the profile's number")
    parser.add_argument("--gate", action="store_true", help="exit 1 when a gate is broken")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="esperd-bench-") as scratch:
        _compile_as_if_installed(Path(scratch))
        profile, missing = PROFILES[arguments.profile](Path(scratch))
        names = [experiment.name for experiment in profile.experiments]
        wanted: list[str] = arguments.only or names
        if unknown := [name for name in wanted if name not in names]:
            parser.error(f"there is no experiment {unknown[0]} in {arguments.profile}: {', '.join(names)}")
        for name in missing:
            print(f"not measured: {name} is not here (benchmarks/README.md says how)", file=sys.stderr)
        outcomes: list[Outcome] = []
        chance = random.Random()  # noqa: S311 - an order, not a secret
        for experiment in profile.experiments:
            if experiment.name in wanted:
                rounds = arguments.rounds or experiment.rounds or profile.rounds
                outcomes.append(run_rounds(experiment, rounds, chance))
                print(details(outcomes[-1]), flush=True)
    by_name = {outcome.experiment: outcome for outcome in outcomes}
    rows = judge_losses(outcomes) + [
        judge(goal, by_name[goal.experiment]) for goal in (*GOALS, *VIEWER_GOALS) if goal.experiment in by_name
    ]
    print(table(rows))
    print(f"rounds kept in {save(arguments.profile, outcomes)}")
    return int(arguments.gate and any(row.breaks_gate for row in rows))


if __name__ == "__main__":
    sys.exit(main())
