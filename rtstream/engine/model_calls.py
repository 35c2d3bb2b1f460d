"""Calls to models: one provider a model, shared; a budget; a timeout; retries with back-off."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from rtstream.config import EngineConfig
from rtstream.perception import registry
from rtstream.perception.protocols import LanguageProvider, ProviderError, SpeechProvider, VisionProvider
from rtstream.rules.budget import Budget
from rtstream.store import values
from rtstream.store.database import Database

log = logging.getLogger(__name__)

T = TypeVar("T")

ATTEMPTS = 3
MAX_WAIT_S = 30.0
"""Longest pause before another attempt, also when a provider asks for more: the stream goes on meanwhile."""
SLACK_S = 5.0
BUDGET = "model_budget"


class Capped(ProviderError):
    """The cap of model calls is reached; the next one fits at Unix time ``until``."""

    def __init__(self, message: str, until: float) -> None:
        super().__init__(message)
        self.until = until


class ModelCalls:
    """All providers of the engine, and what calling them costs."""

    def __init__(self, config: EngineConfig, db: Database) -> None:
        self._config = config
        self._db = db
        self._visions: dict[str, VisionProvider] = {}
        self._languages: dict[str, LanguageProvider] = {}
        self._speeches: dict[str, SpeechProvider] = {}
        self.language = self.languages(None)
        self._budget = Budget(config.model_calls_per_hour, config.model_calls_per_day)
        self._backoff = wait_exponential_jitter(initial=0.5, max=8.0)

    async def load(self) -> None:
        """Take over what was spent before a restart."""
        config, spent = self._config, await self._db.read(values.get, BUDGET) or []
        self._budget = Budget(config.model_calls_per_hour, config.model_calls_per_day, spent)

    async def save(self) -> None:
        """Keep what was spent."""
        if spent := self._budget.spent:
            await self._db.write(values.put, BUDGET, spent)

    def vision(self, name: str | None) -> VisionProvider:
        """The provider of a model name; one a model, shared by all indexes. Raises ProviderError."""
        resolved = registry.resolve(name, self._config)
        if resolved not in self._visions:
            self._visions[resolved] = registry.vision(resolved, self._config)
        return self._visions[resolved]

    def languages(self, name: str | None) -> LanguageProvider:
        """The language provider of a model name, shared. Raises ProviderError."""
        resolved = registry.resolve(name, self._config, "language")
        if resolved not in self._languages:
            self._languages[resolved] = registry.language(resolved, self._config)
        return self._languages[resolved]

    def speech(self, name: str) -> SpeechProvider:
        """The speech provider of an engine name, shared. Raises ProviderError."""
        if name not in self._speeches:
            self._speeches[name] = registry.speech(name, self._config)
        return self._speeches[name]

    def used(self) -> dict[str, int]:
        """Calls in the last hour and day."""
        return self._budget.used(time.time())

    @staticmethod
    def free(provider: VisionProvider | LanguageProvider) -> bool:
        """The provider is an embedded one: its calls cost nothing and are not counted."""
        return provider.name == registry.LOCAL

    async def call(self, provider: VisionProvider | LanguageProvider, ask: Callable[[], Awaitable[T]]) -> T:
        """What ``ask`` gives; each attempt counts against the budget, but for the embedded providers'.

        Raises ProviderError, Capped.
        """
        limit = self._config.model_timeout_s + SLACK_S
        async for attempt in AsyncRetrying(
            retry=retry_if_exception(_worth_another),
            stop=stop_after_attempt(ATTEMPTS),
            wait=self._wait,
            sleep=anyio.sleep,
            reraise=True,
        ):
            with attempt:
                if not self.free(provider):
                    await self._spend()
                try:
                    with anyio.fail_after(limit):
                        return await ask()
                except TimeoutError:
                    raise ProviderError(f"The model did not answer within {limit:.0f} s.") from None
        raise AssertionError("unreachable")

    async def _spend(self) -> None:
        """Count one call. Raises Capped."""
        if refusal := self._budget.take(time.time()):
            raise Capped(refusal.reason, refusal.until)
        if self._config.model_calls_per_hour or self._config.model_calls_per_day:
            await self.save()  # before the call: an engine that is killed again and again must not call without end

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after_s if isinstance(error, ProviderError) and error.retry_after_s else 0.0
        return min(MAX_WAIT_S, max(asked, self._backoff(state)))

    async def aclose(self) -> None:
        """Keep the budget and free the providers."""
        await self.save()
        for provider in (*self._visions.values(), *self._languages.values(), *self._speeches.values()):
            await provider.aclose()


def _worth_another(error: BaseException) -> bool:
    return isinstance(error, ProviderError) and not error.permanent and not isinstance(error, Capped)
