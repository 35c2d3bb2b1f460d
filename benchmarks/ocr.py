"""Screen text: character error rate and time per picture on drawn screens, and time per window of the vision provider.

python -m benchmarks.ocr
"""

from __future__ import annotations

import argparse
import asyncio
import io
import time
from statistics import median

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from rapidfuzz.distance import Levenshtein

from benchmarks._options import parse
from rtstream.perception.protocols import Picture, VisionRequest
from rtstream.perception.vision.local import LocalVision
from rtstream.perception.vision.text_reader import Reader

SLIDE = ["Quarterly results 2026", "Revenue grew by 12.5 % to 4.2 M EUR", "Churn fell to 1.8 %", "Next: hiring in Lyon"]
INVOICE = [
    "ACME Corp, 14 Harbour Road, Bristol",
    "Invoice 4711",
    "Date 2026-05-01   Due 2026-05-31",
    "3 x Camera mount CM-200        87.00",
    "1 x Network switch 8 port     129.50",
    "Total EUR 216.50",
    "IBAN GB29 NWBK 6016 1331 9268 19",
]
TERMINAL = [
    "$ git status",
    "On branch main, nothing to commit",
    "$ make test",
    "ERROR: 2 failed, 118 passed in 14.2s",
    "warning: unused variable 'offset'",
    "Connection refused: 10.0.0.7:5432",
]
CHAT = [
    "Anna Novak  10:42",
    "The build is broken again, can you look?",
    "Marc Dupont  10:43",
    "Yes, the database password expired.",
    "Anna Novak  10:45",
    "Thanks! Deploy at 18:00 then.",
]
SCREENS = {
    "slide, 40 px": (SLIDE, 40, "white", "black"),
    "invoice, 24 px": (INVOICE, 24, "white", "#222222"),
    "terminal, 20 px": (TERMINAL, 20, "#101418", "#d0d0d0"),
    "chat, 18 px": (CHAT, 18, "#f4f4f8", "#303040"),
    "chat, 14 px": (CHAT, 14, "#f4f4f8", "#303040"),
}


def draw(lines: list[str], size: int, background: str, ink: str) -> Image.Image:
    image = Image.new("RGB", (1280, 720), background)
    font = ImageFont.load_default(size)
    for row, line in enumerate(lines):
        ImageDraw.Draw(image).text((60, 40 + row * (size + 30)), line, fill=ink, font=font)
    return image


def compressed(image: Image.Image, quality: int = 80, width: int = 1280) -> bytes:
    buffer = io.BytesIO()
    image.resize((width, width * 9 // 16), Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def error_rate(read: str, written: str) -> float:
    """Characters wrong, missing or added per character written; spaces do not count (the reader drops some)."""
    read, written = "".join(read.split()), "".join(written.split())
    return Levenshtein.distance(read, written) / len(written)


def reading(reader: Reader, screens: int, repeats: int) -> None:
    print("| screen | CER 1280x720 | CER 640x360 | ms per picture 1280x720 |")
    print("|---|---|---|---|")
    for name, (lines, size, background, ink) in list(SCREENS.items())[:screens]:
        image, rates, times = draw(lines, size, background, ink), [], []
        for quality, width in ((80, 1280), (60, 640)):
            bgr = np.asarray(Image.open(io.BytesIO(compressed(image, quality, width))))[:, :, ::-1]
            read = []
            for _ in range(repeats if width == 1280 else 1):
                began = time.perf_counter()
                read = reader.read(bgr)
                times += [time.perf_counter() - began] if width == 1280 else []
            rates.append(error_rate("".join(line.text for line in read), "".join(lines)))
        print(f"| {name} | {rates[0]:.1%} | {rates[1]:.1%} | {1000 * median(times):.0f} |")


async def windows(count: int) -> None:
    print("\n| window of two pictures | ms, median | ms, worst |")
    print("|---|---|---|")
    vision, at = LocalVision(), 0.0

    async def look(lines: list[str], background: str) -> float:
        nonlocal at
        at += 2
        jpeg = compressed(draw(lines, 24, background, "black"))
        pictures = [Picture(at, jpeg, 1280, 720), Picture(at + 1, jpeg, 1280, 720)]
        began = time.perf_counter()
        await vision.describe(VisionRequest("", pictures, "benchmark"))
        return time.perf_counter() - began

    try:
        began = time.perf_counter()
        await look(INVOICE, "white")
        first = time.perf_counter() - began
        kinds = {
            "unchanged": [await look(INVOICE, "white") for _ in range(count)],
            "one line changed": [await look([*INVOICE[:-1], f"IBAN {n:08d}"], "white") for n in range(count)],
            "cut": [await look(INVOICE, ("#80a0c0", "white")[n % 2]) for n in range(min(6, count))],
        }
    finally:
        await vision.aclose()
    for kind, seconds in kinds.items():
        print(f"| {kind} | {1000 * median(seconds):.0f} | {1000 * max(seconds):.0f} |")
    print(f"| first (starts the process, loads the reader) | {1000 * first:.0f} | |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--screens", type=int, default=len(SCREENS))
    parser.add_argument("--repeats", type=int, default=3, help="times each screen is read")
    parser.add_argument("--windows", type=int, default=10, help="windows of each kind")
    options = parse(parser, screens=1, repeats=1, windows=1)
    reading(Reader(), options.screens, options.repeats)
    asyncio.run(windows(options.windows))


if __name__ == "__main__":
    main()
