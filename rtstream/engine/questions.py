"""Asks the vision model questions about one moment or a range of a stream."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Protocol

import anyio

from rtstream.engine.model_calls import ModelCalls
from rtstream.engine.recordings import StreamSheet
from rtstream.errors import InvalidRequest, Unavailable
from rtstream.models import AskLook, LookAnswer
from rtstream.perception.protocols import Picture, ProviderError, VisionAnswer, VisionRequest
from rtstream.rules.text_safety import clean

MAX_CONCURRENT = 4
ANSWER_S = 45.0
"""Longest wait for an answer in seconds. Most MCP clients abandon a call after a minute."""
MAX_TEXT = 20_000
NO_MODEL = (
    "No vision model is set, so the question was not answered. The text describes the text on screen, motion and "
    "colours{when}."
)


class FrameOf(Protocol):
    """A function that returns a frame of a stream."""

    async def __call__(self, stream_id: str, at: float | None) -> Picture:
        """Return the frame at the Unix time ``at``, or the current one if it is None."""
        ...


class Questions:
    """Asks the vision model about pictures.

    Args:
        calls: Calls the models.
        frame: Returns a frame of a stream.
        sheet: Returns a contact sheet of a range of a stream.
    """

    def __init__(
        self, calls: ModelCalls, frame: FrameOf, sheet: Callable[[str, float, float, int], Awaitable[StreamSheet]]
    ) -> None:
        self._calls = calls
        self._frame = frame
        self._sheet = sheet
        self._limit = anyio.CapacityLimiter(MAX_CONCURRENT)

    async def answer(self, stream_id: str, request: AskLook) -> LookAnswer:
        """Ask the vision model about the pictures of a stream.

        Without a vision model, the built-in one describes the picture instead.

        Raises:
            InvalidRequest: The model cannot be used, or the times do not fit together.
            NotFound: Nothing is recorded there.
            Unavailable: The model did not respond in time, or its call failed.
        """
        try:
            provider = self._calls.vision(request.model_name)
            provider.ready()
        except ProviderError as exc:
            raise InvalidRequest(str(exc)) from exc
        free, note, prompt = self._calls.free(provider), "", request.question
        if request.start is None and request.end is None:
            picture = await self._frame(stream_id, request.at)
            times = [picture.time]
        else:
            sheet = await self._of_range(stream_id, request)
            picture, times = Picture(sheet.times[0], sheet.jpeg, sheet.width, sheet.height), sheet.times
            prompt = f"{request.question}\n\n({_sheet_note(sheet)})"
            if free:  # the built-in model would read the times drawn into the sheet as text on screen
                picture = await self._frame(stream_id, times[-1])
                times = [picture.time]
        if free:
            note = NO_MODEL.format(when=" at the last of these moments" if request.start is not None else "")
        note = " ".join(text for text in (self._calls.model_note(request.model_name), note) if text)
        vision_request = VisionRequest(prompt, [picture], session=f"look-{secrets.token_hex(8)}")
        began = time.monotonic()
        try:
            with anyio.fail_after(ANSWER_S):
                async with self._limit:
                    answer: VisionAnswer = await self._calls.call(provider, lambda: provider.describe(vision_request))
        except TimeoutError:
            raise Unavailable(f"{provider.name} did not respond within {ANSWER_S:.0f} s. Try again.") from None
        except ProviderError as exc:
            raise Unavailable(str(exc)) from exc
        return LookAnswer(
            text=clean(_seen(answer) if free else answer.text, MAX_TEXT),
            model=answer.model,
            times=[round(at, 3) for at in times],
            latency_s=round(time.monotonic() - began, 3),
            note=note,
        )

    async def _of_range(self, stream_id: str, request: AskLook) -> StreamSheet:
        if request.start is None or request.end is None or request.at is not None:
            raise InvalidRequest(
                "Pass at for one moment, start and end for a range (Unix seconds), or none of them for now."
            )
        return await self._sheet(stream_id, request.start, request.end, request.count)


def _seen(answer: VisionAnswer) -> str:
    """Return the description by the built-in model, with the colours that it leaves out of a screen with text."""
    colours = answer.changes.colours
    if not colours or not answer.lines or answer.data is not None:
        return answer.text
    return f"{answer.text}\nMain colours: {', '.join(colours)}."


def _sheet_note(sheet: StreamSheet) -> str:
    first, last = (
        datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S") for at in (sheet.times[0], sheet.times[-1])
    )
    return (
        f"The picture is a contact sheet of {len(sheet.times)} moments of the stream, from {first} to {last} UTC, "
        "row by row from the top left. The time of each is written below it."
    )
