"""Losses, repetitions and gaps in analysis after random faults, counted by a checker that knows nothing of the engine.

``python -m benchmarks.faults [--minutes 5] [--seed N] [--streams 4] [--strict]`` prints a plan of random
faults, carries it out and prints one table. The same seed makes the same plan. It needs Linux. As root and with a C
compiler, it has all kinds of faults. Otherwise, it names those that it leaves out. It exits with 1 if a promise was
broken.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from benchmarks._options import parse
from tests.faults.injection import possible
from tests.faults.plan import Kind, draw
from tests.faults.rig import running
from tests.faults.run import perform, table

FAULTS_PER_MINUTE = 20
"""More than there is time for, with the pauses between them."""


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=None, help="default: a random one")
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--longest", type=float, default=40.0, help="seconds of the longest fault")
    parser.add_argument("--kinds", default="", help="kinds of faults, separated by commas (default: all)")
    parser.add_argument("--strict", action="store_true", help="every window and sentence of a gap must be analysed")
    parser.add_argument("--keep", type=Path, help="copy the data folder there, even after a failure")
    options = parse(parser, minutes=0.25, streams=1, seed=1, longest=2.0, kinds="engine killed,recorder killed")
    seed = random.randrange(1_000_000) if options.seed is None else options.seed
    wanted = [Kind(name.strip()) for name in options.kinds.split(",") if name.strip()] or list(Kind)
    began = time.monotonic()

    def show(text: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {text}", flush=True)

    with tempfile.TemporaryDirectory() as folder, running(Path(folder), options.streams) as rig:
        try:
            kinds, left_out = possible(rig, wanted)
            print(*left_out, sep="\n")
            plan = draw(seed, 1 + round(options.minutes * FAULTS_PER_MINUTE), kinds, longest_s=options.longest)
            show(f"seed {seed}, {options.streams} streams")
            report = perform(rig, plan, show, until=time.monotonic() + 60 * options.minutes)
        finally:
            if options.keep:
                shutil.rmtree(options.keep, ignore_errors=True)
                shutil.copytree(rig.data_dir, options.keep, ignore=shutil.ignore_patterns("*.sock"))
                for path in (rig.folder / "engine.log", *rig.folder.glob("before-*")):
                    shutil.copy(path, options.keep)
        broken = report.violations(strict=options.strict)
        print(f"\n{table(report, rig)}\n")
        print(*broken, sep="\n")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
