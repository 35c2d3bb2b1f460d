"""Protocols for providers of vision, speech, language and embeddings.

Providers take bytes and text and return values; they know nothing about streams or storage. Any text they return comes
from the stream and is untrusted, in particular when it is shown to a model. A provider that fails raises
``ProviderError`` with a sentence for the user, and with ``retry_after_s`` if it knows when to try again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from rtstream.json_types import JsonObject
from rtstream.rules.screen_changes import ScreenChanges
from rtstream.states import Outcome

if TYPE_CHECKING:  # importing numpy takes time, and the clients of these types do not need it
    import numpy as np
    from numpy.typing import NDArray

    Vectors: TypeAlias = NDArray[np.float32]
    """Vectors of texts [texts, dimensions]."""


class ProviderError(Exception):
    """A provider failed. The text is shown to users and must contain neither credentials nor text from a stream.

    Args:
        message: A sentence for the user.
        retry_after_s: Seconds to wait before the next attempt, if known.
        permanent: Whether retrying with the same settings is pointless (missing key, unknown model).
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None, permanent: bool = False) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.permanent = permanent


@dataclass(frozen=True)
class Picture:
    """A sampled frame.

    Attributes:
        time: Unix seconds.
        jpeg: The frame as JPEG. Its longest side is at most the configured size.
        width: Pixels.
        height: Pixels.
    """

    time: float
    jpeg: bytes
    width: int
    height: int


@dataclass(frozen=True)
class VisionRequest:
    """One window of a visual index, or one ``look``.

    Attributes:
        prompt: The user's prompt.
        pictures: Frames of the window, oldest first.
        session: Requests with the same session are consecutive looks at one stream, so a provider may compare them.
        json_schema: JSON schema of the answer, or None for text.
    """

    prompt: str
    pictures: Sequence[Picture]
    session: str
    json_schema: JsonObject | None = None


@dataclass(frozen=True)
class TextLine:
    """A line of text read on screen.

    ``box`` is left, top, right, bottom as fractions (0 to 1) of the picture.
    """

    text: str
    confidence: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class VisionAnswer:
    """The answer of a model, or of the built-in provider, to one request.

    Attributes:
        text: The answer, verbatim.
        model: ``provider:name``, or ``local`` for the built-in default.
        lines: Text on screen in the last picture, if the provider reads it.
        changes: Facts for rules: ``changed``, ``cut``, ``black``, ``frozen`` (bool), ``motion`` (0 to 1).
        data: The JSON object in the answer, if JSON was requested.
        data_error: Reason why ``data`` is missing although JSON was requested.
        tokens_in: Input tokens used.
        tokens_out: Output tokens used.
    """

    text: str
    model: str
    lines: Sequence[TextLine] = ()
    changes: ScreenChanges = ScreenChanges()  # noqa: RUF009 - it is frozen
    data: JsonObject | None = None
    data_error: str = ""
    tokens_in: int = 0
    tokens_out: int = 0


class VisionProvider(Protocol):
    """Describes pictures."""

    name: str

    def ready(self) -> None:
        """Check packages and keys without calling a model.

        Raises:
            ProviderError: A package or a key is missing.
        """
        ...

    async def load(self) -> None:
        """Load in advance whatever would delay the first answer, without calling a model. Raises ProviderError."""
        ...

    async def describe(self, request: VisionRequest) -> VisionAnswer:
        """Describe the window. Can be cancelled. Raises ProviderError."""
        ...

    async def aclose(self) -> None:
        """Release models, processes and connections."""
        ...


@dataclass(frozen=True)
class Utterance:
    """A part of a transcript.

    Attributes:
        start: Seconds since the first sample of the session.
        end: Seconds since the first sample of the session.
        text: The text.
        is_final: Whether the text will not change any more.
        confidence: 0 to 1, or None if the engine does not report it.
        low_confidence: Whether the text is unreliable.
        words: ``{"word", "start", "end", "confidence"?, "estimated"?}`` with the same time origin as ``start``.
        speaker: A name for the speaker, such as ``A``, if the engine tells speakers apart.
    """

    start: float
    end: float
    text: str
    is_final: bool
    confidence: float | None = None
    low_confidence: bool = False
    words: Sequence[JsonObject] = ()
    speaker: str = ""


class SpeechSession(Protocol):
    """A live transcription that takes audio and yields utterances."""

    async def feed(self, samples: bytes) -> None:
        """Add the next audio samples.

        Blocks while the engine is more than about two seconds behind, so that the caller can bound its backlog and skip
        audio.

        Args:
            samples: 16 kHz mono, signed 16-bit little-endian samples.
        """
        ...

    def utterances(self) -> AsyncIterator[Utterance]:
        """Yield partial and final utterances in order. The iterator ends after ``finish``."""
        ...

    async def finish(self) -> None:
        """Signal the end of the audio. The last final utterance follows, then the iterator ends."""
        ...

    async def aclose(self) -> None:
        """Discard everything immediately."""
        ...


class SpeechProvider(Protocol):
    """Transcribes audio."""

    name: str

    def ready(self, language: str | None = None) -> None:
        """Check packages, keys and the language without calling an engine.

        Raises:
            ProviderError: A package or a key is missing, or the language is not supported.
        """
        ...

    async def open(self, *, language: str | None = None) -> SpeechSession:
        """Start a live transcription.

        Args:
            language: A code such as ``en``, or None for the engine's own choice.

        Raises:
            ProviderError: A package, a key or a model is missing.
        """
        ...

    async def aclose(self) -> None:
        """Release models, processes and connections."""
        ...


@dataclass(frozen=True)
class EventQuestion:
    """An event to decide for a scene."""

    event_id: str
    prompt: str


@dataclass(frozen=True)
class SceneFacts:
    """The facts about a scene on which events are decided. All texts are untrusted."""

    text: str
    lines: Sequence[str] = ()
    changes: ScreenChanges = ScreenChanges()  # noqa: RUF009 - it is frozen
    kind: Literal["visual", "audio"] = "visual"


@dataclass(frozen=True)
class Verdict:
    """The decision for one event.

    Attributes:
        event_id: The event.
        outcome: ``needs_model`` if this provider cannot decide the event.
        confidence: 0 to 1.
        explanation: A sentence that may quote text from the stream.
        candidate_score: 0 to 1, meaningful for ranking only.
        tokens_in: Input tokens of the whole call, on its first verdict only, so that the sum over all verdicts is
        correct.
        tokens_out: Output tokens, counted in the same way.
    """

    event_id: str
    outcome: Outcome
    confidence: float = 0.0
    explanation: str = ""
    candidate_score: float = 0.0
    tokens_in: int = 0
    tokens_out: int = 0


class LanguageProvider(Protocol):
    """Summarises text and decides events."""

    name: str

    def ready(self) -> None:
        """Check packages and keys without calling a model.

        Raises:
            ProviderError: A package or a key is missing.
        """
        ...

    async def load(self) -> None:
        """Load in advance whatever would delay the first answer, without calling a model. Raises ProviderError."""
        ...

    async def summarise(self, prompt: str, text: str, *, json_schema: JsonObject | None = None) -> VisionAnswer:
        """Carry out ``prompt`` on ``text``, which is untrusted."""
        ...

    async def match(self, questions: Sequence[EventQuestion], scene: SceneFacts) -> list[Verdict]:
        """Return one verdict per question, in order, using a single model call."""
        ...

    async def aclose(self) -> None:
        """Release models, processes and connections."""
        ...


class EmbeddingProvider(Protocol):
    """Turns text into vectors."""

    name: str
    dimensions: int

    async def embed(self, texts: Sequence[str], *, background: bool = False) -> Vectors:
        """Return a float32 array [len(texts), dimensions] with rows of unit length.

        Args:
            texts: The texts.
            background: Whether no request waits for the vectors, so that all other work comes first.
        """
        ...

    async def aclose(self) -> None:
        """Release models, processes and connections."""
        ...
