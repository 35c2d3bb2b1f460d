"""The built-in vision provider: text on screen, changes, cuts, motion and colours. It does not follow the prompt."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import TYPE_CHECKING

from rtstream.perception.child_process import ChildProcess
from rtstream.perception.protocols import ProviderError, VisionAnswer, VisionRequest

if TYPE_CHECKING:  # numpy stays out of the engine process
    from rtstream.perception.vision.observer import SceneObserver

log = logging.getLogger(__name__)

TIMEOUT_S = 45.0
"""For one window, including the first of a child (loading takes 2 to 5 s)."""


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
            return await self._child.run(_look, request.session, pictures, timeout_s=TIMEOUT_S)
        except ProviderError:
            raise
        except Exception as exc:  # edge of another process, whose libraries may raise anything
            log.exception("the built-in vision model failed")
            raise ProviderError(f"The built-in vision model failed ({type(exc).__name__}).") from exc

    async def aclose(self) -> None:
        """End the child process."""
        await self._child.aclose()


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
