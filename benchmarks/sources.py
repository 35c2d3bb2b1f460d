"""Recorded, played, looked at and heard: each protocol and codec, from servers of other projects.

``python -m benchmarks.sources [--cells rtsp] [--parallel 2]`` measures the cells of the source matrix and prints one
table. With ``--write``, the table replaces the one in ``docs/reference/sources.md``. A server that is not installed is
named in its row.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from platformdirs import user_cache_path

from benchmarks._options import parse
from tests.integration.recorder_processes import Program
from tests.matrix.cells import CELLS, NAMES, Cell
from tests.matrix.measurement import Measured, measure, play, running
from tests.matrix.servers import Missing
from tests.rtstream.api.test_player_page import CHROMIUM, FLAGS

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "sources.md"
BEGIN, END = "<!-- matrix:begin -->\n", "<!-- matrix:end -->"
COLUMNS = (
    *("Source", "Video", "Audio", "Server", "Video recorded", "Audio recorded", "Frames lost", "Played in Chromium"),
    *("Looked at", "Heard"),
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", default="", help="measure only cells whose name contains this")
    parser.add_argument("--parallel", type=int, default=2, help="cells measured at the same time")
    parser.add_argument("--write", action="store_true", help="write the table into the page of the documentation")
    options = parse(parser, cells="mjpeg", parallel=1)
    cells = [cell for cell in CELLS if options.cells in cell.id]
    clips = user_cache_path("rtstream-mcp", appauthor=False) / "testsource"
    clips.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as (engine, _):
        with ThreadPoolExecutor(options.parallel) as pool:
            found = list(pool.map(lambda cell: measured(engine, cell, clips), cells))
        play_each_pair(engine, [one for one in found if isinstance(one, Measured)])
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|", *map(row, found)]
    print(*lines, sep="\n")
    if options.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        table = "\n".join(lines)
        PAGE.write_text(f"{before}{BEGIN}{table}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def measured(engine: Program, cell: Cell, clips: Path) -> Measured | tuple[Cell, str]:
    """Measure a cell, or return the reason for which that was not possible."""
    try:
        return measure(engine, cell, clips)
    except Missing as missing:
        return cell, f"not measured, because {missing} is not installed"
    except AssertionError as refusal:
        return cell, str(refusal)


def play_each_pair(engine: Program, found: Sequence[Measured]) -> None:
    """Play the first recording of each pair of recorded codecs in a browser."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return
    if not CHROMIUM.exists():
        return
    shown: dict[tuple[str, str], str] = {}
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for one in found:
            pair = one.video, one.audio
            if pair not in shown and pair != ("", ""):
                shown[pair] = play(engine, one, browser)
            one.played = shown.get(pair, "")
        browser.close()


def row(one: Measured | tuple[Cell, str]) -> str:
    """Return the row of a cell."""
    cell = one.cell if isinstance(one, Measured) else one[0]
    head = [cell.protocol, NAMES[cell.video], NAMES[cell.audio], cell.server]
    if not isinstance(one, Measured):
        return f"| {' | '.join(head)} | {one[1]} | | | | | |"
    video = _recorded(one.video_s, one, cell.video, one.video)
    audio = _recorded(one.audio_s, one, cell.audio, one.audio)
    looked_at = ("yes" if one.looked_at else "**no**") if cell.video else ""
    heard = ("yes" if one.heard else "**no**") if cell.audio else ""
    lost = str(one.lost) if cell.video else ""
    problems = f" ({', '.join(one.problems)})" if one.problems else ""
    return f"| {' | '.join([*head, video, audio + problems, lost, one.played, looked_at, heard])} |"


def _recorded(seconds: float, one: Measured, wanted: str, codec: str) -> str:
    """Return the cell of a track that was ``wanted`` and is stored as ``codec``."""
    other = f", as {NAMES.get(codec, codec)}" if codec not in ("", wanted) else ""
    return f"{seconds:.1f} of {one.span_s:.1f} s{other}" if wanted else ""


if __name__ == "__main__":
    main()
