"""The built-in vision provider: text on screen, changes, cuts, motion and colours.

It follows a prompt only in the keys of a JSON object.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

from rtstream.perception.child_process import ChildProcess
from rtstream.perception.llm.responses import asks_for_json, read
from rtstream.perception.protocols import ProviderError, VisionAnswer, VisionRequest
from rtstream.rules.json_request import KnownFacts, filled, requested_shape, schema_shape

if TYPE_CHECKING:  # numpy stays out of the engine process
    from rtstream.perception.vision.observer import SceneObserver

log = logging.getLogger(__name__)

TIMEOUT_S = 45.0
"""For one window, including the first of a child (loading takes 2 to 5 s)."""
USUAL_SHAPE = {"text": "[]", "dominant_colors": "[]"}
"""The object for a prompt that asks for JSON and names no keys."""
TITLE_WITHIN = 0.15
"""Share of the picture's height, from the top, within which the highest line is taken for the title of the window."""


def can_read_text() -> bool:
    """Return whether the packages for reading text on screen are installed."""
    return find_spec("rapidocr") is not None and find_spec("onnxruntime") is not None


class LocalVision:
    """VisionProvider ``local``.

    Args:
        read_text: Whether to read text on screen, if the extra ``local`` is installed.
    """

    name = "local"

    def ready(self) -> None:
        """Do nothing, because a missing text reader is reported in the description."""

    def __init__(self, *, read_text: bool = True) -> None:
        self._child = ChildProcess("The built-in vision model", _load, (read_text and can_read_text(),))

    async def load(self) -> None:
        """Start the child process and load the text reader, which takes 2 to 5 s. Raises ProviderError."""
        await self._child.run(_loaded, timeout_s=TIMEOUT_S)

    async def describe(self, request: VisionRequest) -> VisionAnswer:
        """Describe the window without a model. Raises ProviderError."""
        if not request.pictures:
            raise ProviderError("This window contains no picture.", permanent=True)
        pictures = [(picture.time, picture.jpeg) for picture in request.pictures]
        try:
            answer = await self._child.run(_look, request.session, pictures, timeout_s=TIMEOUT_S)
        except ProviderError:
            raise
        except Exception as exc:  # edge of another process, whose libraries may raise anything
            log.exception("the built-in vision model failed")
            raise ProviderError(f"The built-in vision model failed ({type(exc).__name__}).") from exc
        return _as_json(answer, request) if request.json_schema or asks_for_json(request.prompt) else answer

    async def aclose(self) -> None:
        """End the child process."""
        await self._child.aclose()


def _as_json(answer: VisionAnswer, request: VisionRequest) -> VisionAnswer:
    """Return the answer as the JSON object that was asked for, with null for all that only a model can tell."""
    changes = answer.changes
    title = min(answer.lines, key=lambda line: line.box[1], default=None)
    facts = KnownFacts(
        lines=[line.text for line in answer.lines] if changes.text_read else None,
        colours=changes.colours,
        title=title.text if title is not None and title.box[1] < TITLE_WITHIN else None,
        moving=None if changes.frozen is None else not changes.frozen,
    )
    shape = schema_shape(request.json_schema or {}) or requested_shape(request.prompt) or USUAL_SHAPE
    text = json.dumps(filled(shape, facts), ensure_ascii=False)
    data, problem = read(text, wanted=True, schema=request.json_schema)
    return replace(answer, text=text, data=data, data_error=f"{problem} Set a vision model." if problem else "")


_observer: SceneObserver | None = None  # set in the child process only


def _load(read_text: bool) -> None:
    global _observer
    from rtstream.perception.vision.observer import SceneObserver
    from rtstream.perception.vision.text_reader import Reader

    _observer = SceneObserver(Reader() if read_text else None)


def _loaded() -> bool:
    return _observer is not None


def _look(session: str, pictures: list[tuple[float, bytes]]) -> VisionAnswer:
    from rtstream.perception.vision.features import BadPicture

    assert _observer is not None
    try:
        return _observer.observe(session, pictures)
    except BadPicture:
        raise ProviderError("A picture of this window could not be decoded.") from None
