"""The protocols a provider of vision, speech or language fulfils. Bytes and text in, values out; no stream, no store.

Everything a provider returns as text comes from the stream: it is untrusted data for whoever shows it to a model.
A provider raises ``ProviderError`` with one plain sentence when it cannot answer; ``retry_after_s`` when it knows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from rtstream.json_types import JsonObject
from rtstream.states import Outcome


class ProviderError(Exception):
    """A model could not answer. The text is shown to users: no credentials, no stream text."""

    def __init__(self, message: str, *, retry_after_s: float | None = None, permanent: bool = False) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.permanent = permanent
        """True when trying again with the same settings cannot help (missing key, unknown model)."""


@dataclass(frozen=True)
class Picture:
    """One sampled frame. ``jpeg`` is at most the configured side long; ``time`` is Unix seconds."""

    time: float
    jpeg: bytes
    width: int
    height: int


@dataclass(frozen=True)
class VisionRequest:
    """One window of a visual index (or one ``look``)."""

    prompt: str
    pictures: Sequence[Picture]
    session: str
    """Windows with the same session are consecutive looks at one stream: a provider may compare with the last one."""
    json_schema: JsonObject | None = None


@dataclass(frozen=True)
class TextLine:
    """One line read on screen; ``box`` is left, top, right, bottom as shares (0 to 1) of the picture."""

    text: str
    confidence: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class VisionAnswer:
    """What a vision provider says of a window."""

    text: str
    model: str
    """``provider:name``; the embedded default is ``local``."""
    lines: Sequence[TextLine] = ()
    """Text on screen in the last picture, where the provider reads it."""
    changes: JsonObject = field(default_factory=dict)
    """Facts a rule may use: ``changed``, ``cut``, ``black``, ``frozen`` (bool), ``motion`` (0 to 1)."""
    data: JsonObject | None = None
    """The JSON object in the answer, when one was asked for."""
    data_error: str = ""
    """Why ``data`` is missing although JSON was asked for; the answer itself is in ``text``."""
    tokens_in: int = 0
    tokens_out: int = 0


class VisionProvider(Protocol):
    """Describes pictures."""

    name: str

    def ready(self) -> None:
        """Raise ProviderError when a package or a key is missing; nothing is called."""
        ...

    async def load(self) -> None:
        """Do beforehand what would hold up the first answer; nothing is called. Raises ProviderError."""
        ...

    async def describe(self, request: VisionRequest) -> VisionAnswer:
        """Describe the window. Cancellable; raises ProviderError."""
        ...

    async def aclose(self) -> None:
        """Free models, processes and connections."""
        ...


@dataclass(frozen=True)
class Utterance:
    """A piece of transcript. Times are seconds from the first sample the engine was given."""

    start: float
    end: float
    text: str
    is_final: bool
    confidence: float | None = None
    low_confidence: bool = False
    words: Sequence[JsonObject] = ()
    """``{"word", "start", "end", "confidence"?, "estimated"?}`` with the same origin as ``start``."""


class SpeechSession(Protocol):
    """One live transcription: feed sound, read utterances."""

    async def feed(self, samples: bytes) -> None:
        """16 kHz mono signed 16-bit little-endian samples, in order.

        Waits while the engine is more than about two seconds behind, so that the caller's bounded backlog decides
        what is skipped.
        """
        ...

    def utterances(self) -> AsyncIterator[Utterance]:
        """Partials and finals in order; ends after ``finish``."""
        ...

    async def finish(self) -> None:
        """No more sound: give the last final, then end."""
        ...

    async def aclose(self) -> None:
        """Drop everything at once."""
        ...


class SpeechProvider(Protocol):
    """Turns sound into text."""

    name: str

    def ready(self, language: str | None = None) -> None:
        """Raise ProviderError when a package or a key is missing, or for a language it cannot; nothing is called."""
        ...

    async def open(self, *, language: str | None = None) -> SpeechSession:
        """Begin a live transcription of ``language`` (a code such as ``en``; None: the engine's own choice).

        Raises ProviderError (missing package, key or model).
        """
        ...

    async def aclose(self) -> None:
        """Free models, processes and connections."""
        ...


@dataclass(frozen=True)
class EventQuestion:
    """One event to decide on a scene."""

    event_id: str
    prompt: str


@dataclass(frozen=True)
class SceneFacts:
    """What a matcher may look at. All texts are untrusted."""

    text: str
    lines: Sequence[str] = ()
    changes: JsonObject = field(default_factory=dict)
    kind: Literal["visual", "audio"] = "visual"


@dataclass(frozen=True)
class Verdict:
    """The answer for one event. ``needs_model``: nothing here decides it; ``candidate_score`` (0 to 1) only ranks."""

    event_id: str
    outcome: Outcome
    confidence: float = 0.0
    explanation: str = ""
    candidate_score: float = 0.0
    tokens_in: int = 0
    """Of the whole call, on its first verdict only: the sum over the verdicts is what the call took."""
    tokens_out: int = 0


class LanguageProvider(Protocol):
    """Summarises text and decides events."""

    name: str

    def ready(self) -> None:
        """Raise ProviderError when a package or a key is missing; nothing is called."""
        ...

    async def load(self) -> None:
        """Do beforehand what would hold up the first answer; nothing is called. Raises ProviderError."""
        ...

    async def summarise(self, prompt: str, text: str, *, json_schema: JsonObject | None = None) -> VisionAnswer:
        """Answer ``prompt`` about ``text`` (untrusted)."""
        ...

    async def judge(self, questions: Sequence[EventQuestion], scene: SceneFacts) -> list[Verdict]:
        """One verdict a question, in order, in one call."""
        ...

    async def aclose(self) -> None:
        """Release models, processes and connections."""
        ...


class EmbeddingProvider(Protocol):
    """Turns text into vectors."""

    name: str
    dimensions: int

    async def embed(self, texts: Sequence[str]) -> Any:
        """float32 array [len(texts), dimensions], rows of unit length."""
        ...

    async def aclose(self) -> None:
        """Release models, processes and connections."""
        ...
