"""The embedded speech provider: English, offline, a partial text about every second."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import AsyncIterator, Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import anyio

from rtstream.perception.child_process import ChildProcess
from rtstream.perception.protocols import ProviderError, SpeechSession, Utterance

if TYPE_CHECKING:  # numpy stays out of the engine process
    from rtstream.perception.speech.moonshine import Hearer

log = logging.getLogger(__name__)

BYTES_PER_S = 32_000
CHUNK = BYTES_PER_S // 4
"""Bytes handed to the child at a time, at least."""
MAX_BEHIND = 2 * BYTES_PER_S
TIMEOUT_S = 30.0
MAX_CHILDREN = max(1, min(4, os.cpu_count() or 1))
"""Each holds the model (250 MB) and hears one piece of sound at a time."""


def can_hear() -> bool:
    """The package that recognises speech is installed."""
    return find_spec("moonshine_voice") is not None


class LocalSpeech:
    """SpeechProvider ``local``: its sessions share a few child processes, at most one a core."""

    name = "local"

    def __init__(self) -> None:
        self._sessions: dict[ChildProcess, set[_Session]] = {}

    def ready(self, language: str | None = None) -> None:
        """Raises ProviderError without the extra ``local``, and for other languages than English."""
        if not can_hear():
            raise ProviderError(
                'The embedded speech recogniser takes the extra "local" (pip install "rtstream-mcp[local]").',
                permanent=True,
            )

        if language and language.lower().replace("_", "-").split("-")[0] not in ("en", "english"):
            raise ProviderError(
                "The embedded speech recogniser understands English only; choose another engine for other languages.",
                permanent=True,
            )

    async def open(self, *, language: str | None = None) -> SpeechSession:
        """Begin a live transcription. Raises ProviderError for other languages and without the extra ``local``."""
        self.ready(language)
        child = min(self._sessions, key=lambda child: len(self._sessions[child]), default=None)
        if child is None or (self._sessions[child] and len(self._sessions) < MAX_CHILDREN):
            child = ChildProcess("The embedded speech recogniser", _load)
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
        self._changed = anyio.Event()

    async def feed(self, samples: bytes) -> None:
        """Take sound. Waits while ``MAX_BEHIND`` is waiting to be heard."""
        while len(self._waiting) > MAX_BEHIND and not self._closed:
            await self._changed.wait()
        self._waiting += samples
        self._wake()

    async def utterances(self) -> AsyncIterator[Utterance]:
        """Partials and finals in order. Raises ProviderError when the recogniser broke; go on with a new session."""
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
            for utterance in await self._hear(since, samples, end):
                yield utterance
            if end:
                self._closed = True

    async def finish(self) -> None:
        """No more sound."""
        self._finished = True
        self._wake()

    async def aclose(self) -> None:
        """Drop everything at once."""
        self._on_close(self)
        if not self._closed:
            self._closed = True
            self._wake()
            await self._child.forget(_drop, self._id)

    def _wake(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    async def _hear(self, since: float, samples: bytes, end: bool) -> list[Utterance]:
        try:
            return await self._child.run(_hear, self._id, since, samples, end, timeout_s=TIMEOUT_S)
        except ProviderError:
            raise
        except Exception as exc:  # the edge of another process: whatever its libraries raise
            log.exception("the embedded speech recogniser failed")
            raise ProviderError(f"The embedded speech recogniser failed ({type(exc).__name__}).") from exc


_hearer: Hearer | None = None  # of the child process


def _load() -> None:
    global _hearer
    from rtstream.perception.speech.moonshine import Hearer

    _hearer = Hearer()


def _hear(session: str, since: float, samples: bytes, end: bool) -> Any:
    assert _hearer is not None
    return _hearer.hear(session, since, samples, end)


def _drop(session: str) -> None:
    assert _hearer is not None
    _hearer.drop(session)
