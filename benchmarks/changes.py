"""Video that is lost, and problems that health does not show, while many sources change at random.

``python -m benchmarks.changes [--minutes 20] [--sources 20] [--seed N]`` records sources of all protocols. Each changes
something every 10 to 60 s: its audio, size, codec, PIDs, program or timestamps, or it stands still or restarts. The
frames are numbered. At the end, a checker that knows nothing of the engine compares them with the files and rows, and
the tracks that were sent with the health that was shown. The same seed makes the same plans. It exits with 1 if a
change cost more than a group of pictures and 2 s, or if a track was missing without a reason in health.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from benchmarks._options import parse
from tests.changes.checker import Result
from tests.changes.plan import PROTOCOLS
from tests.changes.run import perform, protocols

COLUMNS = (
    *(
        "Source",
        "changes",
        "frames sent",
        "not recorded",
        "twice",
        "most that a change cost",
        "largest error of a time",
    ),
    *("seconds of audio sent / not recorded", "looks at health without a problem", "broken promises"),
)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run, print and exit. ``arguments``: instead of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--sources", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None, help="default: a random one")
    parser.add_argument("--every", default="10-60", help="shortest and longest seconds between two changes of a source")
    parser.add_argument(
        "--protocols", default="", help=f"of {', '.join(PROTOCOLS)}, separated by commas (default: all)"
    )
    parser.add_argument("--keep", type=Path, help="copy the data folder, the log and the history of health there")
    options = parse(parser, arguments, minutes=0.6, sources=3, seed=1, every="6-12")
    sys.exit(bool(measure(options)))


def measure(options: argparse.Namespace) -> list[str]:
    """Run, print the table, and return the broken promises."""
    seed = random.randrange(1_000_000) if options.seed is None else options.seed
    least, most = map(float, options.every.split("-"))
    chosen, missing = protocols(options.sources)
    if wanted := [name.strip() for name in options.protocols.split(",") if name.strip()]:
        chosen = [wanted[number % len(wanted)] for number in range(options.sources)]
    began = time.monotonic()

    def show(text: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {text}", flush=True)

    show(
        f"seed {seed}, {options.sources} sources"
        + "".join(f", without {name} (nginx is not installed)" for name in missing)
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            results = perform(folder, chosen, seed, 60 * options.minutes, (least, most), show)
        finally:
            if options.keep:
                shutil.rmtree(options.keep, ignore_errors=True)
                shutil.copytree(folder, options.keep, ignore=shutil.ignore_patterns("*.sock", "*.mp4"))
    return report(results)


def report(results: Sequence[Result]) -> list[str]:
    """Print the table, and return the broken promises."""
    print(f"\n| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|", sep="\n")
    for one in results:
        worst = f"{one.worst_s:.1f} s ({one.worst.strip().partition('  ')[2] or one.worst})" if one.worst_s else "0"
        values = (
            *(one.name, one.changes, one.sent, one.missing, one.twice, worst, f"{one.dated_s:.1f} s"),
            *(f"{one.audio_s} / {one.audio_missing_s}", one.promises, len(one.broken)),
        )
        print(f"| {' | '.join(map(str, values))} |")
    broken = [f"{one.name}: {each}" for one in results for each in one.broken]
    print(f"\n{len(broken)} broken promises", *broken, sep="\n")
    return broken


if __name__ == "__main__":
    main()
