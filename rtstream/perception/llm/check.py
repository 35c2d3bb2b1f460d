"""Tests every configured model once for `rtstream-mcp doctor`."""

from __future__ import annotations

import io
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio

from rtstream.config import EngineConfig
from rtstream.perception.language.model import ModelLanguage
from rtstream.perception.llm import names
from rtstream.perception.protocols import EventQuestion, Picture, ProviderError, SceneFacts, VisionRequest
from rtstream.perception.vision.model import ModelVision
from rtstream.rules.text_safety import clean

_SIDE = 128
_LOCAL = {
    "vision": "No model is set. The built-in default reads text on screen and measures changes, motion and colours.",
    "language": "No model is set. Only events with quoted text or other documented rules are decided.",
}


@dataclass(frozen=True)
class Check:
    """The result for one role.

    Attributes:
        role: ``vision``, ``language`` or ``tier ...``.
        model: Name of the model.
        ok: Whether the model works.
        text: A sentence for the user.
        latency_s: Seconds that the model took, or None if it was not called or failed.
    """

    role: str
    model: str
    ok: bool
    text: str
    latency_s: float | None = None


async def check(config: EngineConfig) -> list[Check]:
    """Test the configured vision model, language model and each tier that has a model of its own."""
    vision, language = names.choose(config, "vision"), names.choose(config, "language")
    seen = {vision: "vision"}
    for tier, name in names.tiers(config).items():
        if getattr(config, f"model_{tier}"):
            seen.setdefault(name, f"tier {tier}")
    tries = [(role, name, _look) for name, role in seen.items()] + [("language", language, _decide)]
    results: list[Check | None] = [None] * len(tries)

    async def run(number: int, role: str, name: str, how: _Try) -> None:
        results[number] = await _one(role, name, how, config)

    async with anyio.create_task_group() as tasks:
        for number, (role, name, how) in enumerate(tries):
            tasks.start_soon(run, number, role, name, how)
    return [result for result in results if result is not None]


_Try = Callable[[str, EngineConfig], Awaitable[tuple[bool, str]]]


async def _one(role: str, name: str, how: _Try, config: EngineConfig) -> Check:
    if name == names.LOCAL:
        return Check(role, name, True, _LOCAL["language" if role == "language" else "vision"])
    began = time.monotonic()
    try:
        ok, text = await how(name, config)
    except ProviderError as exc:
        detail = getattr(exc, "detail", "")
        return Check(role, name, False, f"{exc} The server reported: {detail}" if detail else str(exc))
    return Check(role, name, ok, text, round(time.monotonic() - began, 2))


async def _look(name: str, config: EngineConfig) -> tuple[bool, str]:
    provider = ModelVision(name, config)
    try:
        picture = Picture(time.time(), _red_picture(), _SIDE, _SIDE)
        request = VisionRequest("Which colour fills the picture? Answer with one word.", [picture], session="check")
        answer = clean((await provider.describe(request)).text, 100)
    finally:
        await provider.aclose()
    if "red" in answer.lower():
        return True, "The model responds and sees pictures."
    return False, f"The model responds, but calls a red picture {answer!r}. Set a model that accepts pictures."


async def _decide(name: str, config: EngineConfig) -> tuple[bool, str]:
    provider = ModelLanguage(name, config)
    questions = [EventQuestion("open", "A door is open"), EventQuestion("fire", "Something burns")]
    try:
        verdicts = await provider.match(questions, SceneFacts("A red door stands wide open. Nobody is there."))
    finally:
        await provider.aclose()
    if [verdict.outcome for verdict in verdicts] == ["match", "no_match"]:
        return True, "The model responds and decides events."
    return False, "The model responds, but decided two simple test events wrongly. Set a stronger language model."


def _red_picture() -> bytes:
    from PIL import Image

    jpeg = io.BytesIO()
    Image.new("RGB", (_SIDE, _SIDE), (220, 20, 20)).save(jpeg, "JPEG")
    return jpeg.getvalue()
