"""Samples of footage show how many windows have something new, and how much of the audio is speech."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image, ImageDraw

from rtstream.engine.backfill.gaps import MissingParts
from rtstream.engine.backfill.sample import MOST_WINDOWS, STRETCH, FootageSamples, SampledWindows
from rtstream.errors import NotFound
from rtstream.extract.footage import AudioBlock
from rtstream.perception.protocols import Picture

pytestmark = pytest.mark.anyio

WINDOWS = SampledWindows("rts-1", 5.0, 1, 320)


def slide(number: int) -> bytes:
    image = Image.new("L", (320, 180), 240)
    ImageDraw.Draw(image).rectangle((10 + 20 * (number % 12), 40, 30 + 20 * (number % 12), 120), fill=10)
    out = io.BytesIO()
    image.save(out, "JPEG")
    return out.getvalue()


class Footage:
    """Footage with a picture every five seconds, of slides that change every ``every_s`` seconds."""

    def __init__(self, every_s: float) -> None:
        self.every_s = every_s
        self.read = 0

    async def pictures(self, stream_id: str, start: float, end: float, *_: Any) -> list[Picture]:
        self.read += 1
        times = [start + 5.0 * number for number in range(round((end - start) / 5.0))]
        return [Picture(at, slide(int(at / self.every_s)), 320, 180) for at in times]

    async def audio(self, *_: Any) -> list[AudioBlock]:
        raise NotFound("nothing is recorded")


def samples(footage: Any) -> FootageSamples:
    return FootageSamples(footage)


async def test_few_windows_are_all_looked_at() -> None:
    footage = Footage(20.0)
    parts = MissingParts([(0.0, 200.0), (1000.0, 1200.0)], None, [], windows=80)
    found = samples(footage)
    assert await found.changed_share(WINDOWS, parts) == 20 / 80
    read = footage.read
    assert await found.changed_share(WINDOWS, parts) == 20 / 80
    assert footage.read == read  # the forecast is shown before the request is carried out


@pytest.mark.parametrize("every_s", [20.0, 60.0, 5.0])
async def test_of_many_windows_a_sample_tells_the_share(every_s: float) -> None:
    footage = Footage(every_s)
    parts = MissingParts([(0.0, 36000.0)], None, [], windows=7200)
    share = await samples(footage).changed_share(WINDOWS, parts)
    assert share == pytest.approx(5.0 / every_s, rel=0.2)
    assert footage.read == MOST_WINDOWS // STRETCH


async def test_footage_that_cannot_be_read_counts_as_changing_and_as_speech() -> None:
    class Broken(Footage):
        async def pictures(self, stream_id: str, start: float, end: float, *_: Any) -> list[Picture]:
            raise NotFound("nothing is recorded")

    found = samples(Broken(1.0))
    parts = MissingParts([(0.0, 100.0)], None, [], windows=20)
    assert await found.changed_share(WINDOWS, parts) == 1.0
    assert await found.speech_share("rts-1", parts) == 1.0
