"""Pictures with known text, the text reader loaded once, a model server, and no keys from outside."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont

from tests.modelserver import ModelServer, forget_keys, model_server


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    """A model server on a free port."""
    async with model_server() as running:
        yield running


@pytest.fixture(autouse=True)
def no_keys_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests see only the keys and addresses they set themselves."""
    forget_keys(monkeypatch)


@pytest.fixture(scope="session")
def screen() -> Callable[..., bytes]:
    """``screen(lines, background=, ink=)``: JPEG 1280x720 with one line below the other."""

    def draw(lines: Sequence[str], *, background: str = "white", ink: str = "black", size: int = 26) -> bytes:
        image = Image.new("RGB", (1280, 720), background)
        font = ImageFont.load_default(size)
        for row, line in enumerate(lines):
            ImageDraw.Draw(image).text((60, 40 + row * 50), line, fill=ink, font=font)
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=85)
        return buffer.getvalue()

    return draw


@pytest.fixture(scope="session")
def reader() -> Any:
    pytest.importorskip("rapidocr", reason='needs the extra "local"')
    from rtstream.perception.vision.text_reader import Reader

    return Reader()
