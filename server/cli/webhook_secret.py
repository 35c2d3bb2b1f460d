"""``rtstream-mcp webhook-secret`` prints the secret with which receivers verify webhooks."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from rtstream import keys
from rtstream.errors import RTStreamError
from server.cli.terminal import say, warn
from server.engine_file import make_folder
from server.settings import load

ABOUT = (
    "Print the signing secret of webhooks (Standard Webhooks, whsec_...). It follows from the engine's API key: run "
    "this where the engine runs, with the same RTSTREAM_DATA_DIR or RTSTREAM_API_KEY. Another key gives another secret."
)


def main(arguments: Sequence[str]) -> int:
    """Print the secret. Returns the exit status."""
    parser = argparse.ArgumentParser("rtstream-mcp webhook-secret", description=ABOUT, allow_abbrev=False)
    parser.add_argument("--data-dir", metavar="DIR", help="data folder [RTSTREAM_DATA_DIR]")
    given = parser.parse_args(arguments)
    try:
        settings = load({"data_dir": given.data_dir} if given.data_dir else None)
        make_folder(settings.data_dir)
        say(keys.webhook_secret(keys.load_or_create(settings.data_dir, settings.api_key)))
    except RTStreamError as exc:
        warn(f"rtstream-mcp: {exc}")
        return 2
    return 0
