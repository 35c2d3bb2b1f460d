"""The built-in speech provider, which transcribes English offline.

It updates its partial text about once per second.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import AsyncIterator, Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

from rtstream.concurrency import Broadcast
from rtstream.perception.child_process import ChildProcess
from rtstream.perception.protocols import ProviderError, SpeechSession, Utterance

if TYPE_CHECKING:  # numpy stays out of the engine process
    from rtstream.perception.speech.moonshine import Recogniser

log = logging.getLogger(__name__)

BYTES_PER_S = 32_000
CHUNK = BYTES_PER_S // 4
"""Minimum number of bytes passed to the child at a time."""
MAX_BEHIND = 2 * BYTES_PER_S
TIMEOUT_S = 30.0
MAX_CHILDREN = max(1, min(4, os.cpu_count() or 1))
"""Each child loads the model (250 MB) and recognises one piece of audio at a time."""


def can_transcribe() -> bool:
    """Return whether the package for speech recognition is installed."""
    return find_spec("moonshine_voice") is not None


class LocalSpeech:
    """SpeechProvider ``local``. Its sessions share a few child processes, at most one per core."""

    name = "local"

    def __init__(self) -> None:
        self._sessions: dict[ChildProcess, set[_Session]] = {}

    def ready(self, language: str | None = None) -> None:
        """Check the language and the installation.

        Raises:
            ProviderError: The extra ``local`` is missing, or the language is not English.
        """
        if not can_transcribe():
            raise ProviderError(
                'The built-in speech recogniser requires the extra "local" (pip install "rtstream-mcp[local]").',
                permanent=True,
            )

        if language and language.lower().replace("_", "-").split("-")[0] not in ("en", "english"):
            raise ProviderError(
                "The built-in speech recogniser supports English only. Choose another engine for other languages.",
                permanent=True,
            )

    async def open(self, *, language: str | None = None) -> SpeechSession:
        """Start a live transcription.

        Raises:
            ProviderError: The extra ``local`` is missing, or the language is not English.
        """
        self.ready(language)
        child = min(self._sessions, key=lambda child: len(self._sessions[child]), default=None)
        if child is None or (self._sessions[child] and len(self._sessions) < MAX_CHILDREN):
            child = ChildProcess("The built-in speech recogniser", _load)
        of_child = self._sessions.setdefault(child, set())
        session = _Session(child, of_child.discard)
        of_child.add(session)
        return session

    async def aclose(self) -> None:
        """End the child processes."""
        for child in self._sessions:
            await child.aclose()


class _Session:
    def __init__(self, child: ChildProcess, on_close: Callable[[_Session], None]) -> None:
        self._child = child
        self._on_close = on_close
        self._id = secrets.token_hex(8)
        self._waiting = bytearray()
        self._sent = 0  # bytes
        self._finished = self._closed = False
        self._changed = Broadcast()

    async def feed(self, samples: bytes) -> None:
        """Add audio. Blocks while more than ``MAX_BEHIND`` bytes are waiting to be recognised."""
        while len(self._waiting) > MAX_BEHIND and not self._closed:
            await self._changed.wait()
        self._waiting += samples
        self._wake()

    async def utterances(self) -> AsyncIterator[Utterance]:
        """Yield partial and final utterances in order.

        Raises:
            ProviderError: The recogniser crashed. Continue with a new session.
        """
        while not self._closed:
            if len(self._waiting) < CHUNK and not self._finished:
                await self._changed.wait()
                continue
            samples = bytes(self._waiting[: len(self._waiting) & ~1])
            del self._waiting[: len(samples)]
            end = self._finished and len(self._waiting) < 2
            since = self._sent / BYTES_PER_S
            self._sent += len(samples)
            self._wake()
            for utterance in await self._recognise(since, samples, end):
                yield utterance
            if end:
                self._closed = True

    async def finish(self) -> None:
        """Signal the end of the audio."""
        self._finished = True
        self._wake()

    async def aclose(self) -> None:
        """Discard everything immediately."""
        self._on_close(self)
        if not self._closed:
            self._closed = True
            self._wake()
            await self._child.discard(_drop, self._id)

    def _wake(self) -> None:
        self._changed.notify()

    async def _recognise(self, since: float, samples: bytes, end: bool) -> list[Utterance]:
        try:
            return await self._child.run(_recognise, self._id, since, samples, end, timeout_s=TIMEOUT_S)
        except ProviderError:
            raise
        except Exception as exc:  # edge of another process, whose libraries may raise anything
            log.exception("the built-in speech recogniser failed")
            raise ProviderError(f"The built-in speech recogniser failed ({type(exc).__name__}).") from exc


_recogniser: Recogniser | None = None  # set in the child process only


def _load() -> None:
    global _recogniser
    from rtstream.perception.speech.moonshine import Recogniser

    _recogniser = Recogniser()


def _recognise(session: str, since: float, samples: bytes, end: bool) -> list[Utterance]:
    assert _recogniser is not None
    return _recogniser.recognise(session, since, samples, end)


def _drop(session: str) -> None:
    assert _recogniser is not None
    _recogniser.drop(session)
