"""The command line of a benchmark: its options, and ``--tiny``, which sets them to the smallest inputs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any


def parse(
    parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None, /, **tiny: Any
) -> argparse.Namespace:
    """Parse the command line.

    Args:
        parser: Holds the options of the benchmark.
        arguments: The arguments, or None for those of the command line.
        tiny: Values that ``--tiny`` sets. They show that the benchmark still runs. Their figures mean nothing.

    Returns:
        The options, with ``tiny`` among them.
    """
    parser.add_argument("--tiny", action="store_true", help="a run of some seconds that only shows that all works")
    options = parser.parse_args(arguments)
    if options.tiny:
        vars(options).update(tiny)
    return options
