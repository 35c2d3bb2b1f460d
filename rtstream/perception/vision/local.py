"""The embedded vision provider: text on screen, changes, cuts, motion, colours. It does not follow the prompt."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import TYPE_CHECKING

from rtstream.perception.child_process import ChildProcess
from rtstream.perception.protocols import ProviderError, VisionAnswer, VisionRequest

if TYPE_CHECKING:  # numpy stays out of the engine process
    from rtstream.perception.vision.observer import Looker

log = logging.getLogger(__name__)

TIMEOUT_S = 45.0
"""For one window, the first of a child included (loading takes 2 to 5 s)."""


def can_read_text() -> bool:
    """The packages that read text on screen are installed."""
    return find_spec("rapidocr") is not None and find_spec("onnxruntime") is not None


class LocalVision:
    """VisionProvider ``local``. ``read_text``: read text on screen, where the extra ``local`` is installed."""

    name = "local"

    def ready(self) -> None:
        """Nothing is missing: without the reader of screen text it describes the rest, and says so."""

    def __init__(self, *, read_text: bool = True) -> None:
        self._child = ChildProcess("The embedded picture reader", _load, (read_text and can_read_text(),))

    async def load(self) -> None:
        """Start the child process and load the reader: 2 to 5 s. Raises ProviderError."""
        await self._child.run(_loaded, timeout_s=TIMEOUT_S)

    async def describe(self, request: VisionRequest) -> VisionAnswer:
        """Say what can be said without a model. Raises ProviderError."""
        if not request.pictures:
            raise ProviderError("There is no picture in this window.", permanent=True)
        pictures = [(picture.time, picture.jpeg) for picture in request.pictures]
        try:
            return await self._child.run(_look, request.session, pictures, timeout_s=TIMEOUT_S)
        except ProviderError:
            raise
        except Exception as exc:  # the edge of another process: whatever its libraries raise
            log.exception("the embedded picture reader failed")
            raise ProviderError(f"The embedded picture reader failed ({type(exc).__name__}).") from exc

    async def aclose(self) -> None:
        """End the child process."""
        await self._child.aclose()


_looker: Looker | None = None  # of the child process


def _load(read_text: bool) -> None:
    global _looker
    from rtstream.perception.vision.observer import Looker
    from rtstream.perception.vision.text_reader import Reader

    _looker = Looker(Reader() if read_text else None)


def _loaded() -> bool:
    return _looker is not None


def _look(session: str, pictures: list[tuple[float, bytes]]) -> VisionAnswer:
    from rtstream.perception.vision.features import BadPicture

    assert _looker is not None
    try:
        return _looker.look(session, pictures)
    except BadPicture:
        raise ProviderError("A picture of this window could not be decoded.") from None
