"""Questions about one moment or a range of a stream, answered by the vision model."""

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

AT_ONCE = 4
ANSWER_S = 45.0
"""Longest wait for an answer: most MCP clients give up on a call after a minute."""
MAX_TEXT = 20_000
NO_MODEL = (
    "No vision model is set, so the question was not answered. The text is what the embedded default sees"
    "{when}: text on screen, motion, colours."
)


class FrameOf(Protocol):
    """A function that returns a frame of a stream."""

    async def __call__(self, stream_id: str, at: float | None) -> Picture:
        """Return the frame at the Unix time ``at``, or the current one if it is None."""
        ...


class Questions:
    """Asks the vision model about pictures. ``frame`` and ``sheet`` get them."""

    def __init__(
        self, calls: ModelCalls, frame: FrameOf, sheet: Callable[[str, float, float, int], Awaitable[StreamSheet]]
    ) -> None:
        self._calls = calls
        self._frame = frame
        self._sheet = sheet
        self._limit = anyio.CapacityLimiter(AT_ONCE)

    async def answer(self, stream_id: str, asked: AskLook) -> LookAnswer:
        """Raises InvalidRequest, NotFound (nothing recorded there), Unavailable (the model does not answer)."""
        try:
            provider = self._calls.vision(asked.model_name)
            provider.ready()
        except ProviderError as exc:
            raise InvalidRequest(str(exc)) from exc
        free, note, prompt = self._calls.free(provider), "", asked.question
        if asked.start is None and asked.end is None:
            picture = await self._frame(stream_id, asked.at)
            times = [picture.time]
        else:
            sheet = await self._of_range(stream_id, asked)
            picture, times = Picture(sheet.times[0], sheet.jpeg, sheet.width, sheet.height), sheet.times
            prompt = f"{asked.question}\n\n({_shown(sheet)})"
            if free:  # it would read the times that are drawn into the sheet
                picture = await self._frame(stream_id, times[-1])
                times = [picture.time]
        if free:
            note = NO_MODEL.format(when=" at the last of these moments" if asked.start is not None else "")
        note = " ".join(text for text in (self._calls.model_note(asked.model_name), note) if text)
        request = VisionRequest(prompt, [picture], session=f"look-{secrets.token_hex(8)}")
        began = time.monotonic()
        try:
            with anyio.fail_after(ANSWER_S):
                async with self._limit:
                    answer: VisionAnswer = await self._calls.call(provider, lambda: provider.describe(request))
        except TimeoutError:
            raise Unavailable(f"{provider.name} did not answer within {ANSWER_S:.0f} s. Try again.") from None
        except ProviderError as exc:
            raise Unavailable(str(exc)) from exc
        return LookAnswer(
            text=clean(answer.text, MAX_TEXT),
            model=answer.model,
            times=[round(at, 3) for at in times],
            latency_s=round(time.monotonic() - began, 3),
            note=note,
        )

    async def _of_range(self, stream_id: str, asked: AskLook) -> StreamSheet:
        if asked.start is None or asked.end is None or asked.at is not None:
            raise InvalidRequest(
                "Give at for one moment, or start and end for a range (Unix seconds), or none for now."
            )
        return await self._sheet(stream_id, asked.start, asked.end, asked.count)


def _shown(sheet: StreamSheet) -> str:
    first, last = (
        datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S") for at in (sheet.times[0], sheet.times[-1])
    )
    return (
        f"The picture is a contact sheet of {len(sheet.times)} moments of the stream, from {first} to {last} UTC, "
        "row by row from the top left. The time of each is drawn into its corner."
    )
