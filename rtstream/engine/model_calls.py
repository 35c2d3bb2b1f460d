"""Calls models through one shared provider per model, with a budget, a timeout, and retries with back-off."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import cached_property
from typing import TypeVar

import anyio
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from rtstream.config import EngineConfig
from rtstream.errors import DatabaseUnavailable
from rtstream.perception import model_policy, registry
from rtstream.perception.prices import Prices
from rtstream.perception.protocols import LanguageProvider, ProviderError, SpeechProvider, VisionProvider
from rtstream.rules.budget import Budget
from rtstream.rules.sounds import Sounds
from rtstream.store import values
from rtstream.store.database import Database

log = logging.getLogger(__name__)

T = TypeVar("T")

ATTEMPTS = 3
MAX_WAIT_S = 30.0
"""Longest pause in seconds before a retry, even when a provider asks for more, because the stream continues."""
SLACK_S = 5.0
"""Seconds added to the timeout that a provider itself applies."""
BUDGET = "model_budget"
INDEX_BUDGETS = "model_budget_by_index"


class Capped(ProviderError):
    """The cap of model calls is reached. The next call is allowed at the Unix time ``until``."""

    def __init__(self, message: str, until: float) -> None:
        super().__init__(message)
        self.until = until


class ModelCalls:
    """The providers of the engine and their budget."""

    def __init__(self, config: EngineConfig, db: Database) -> None:
        self._config = config
        self._db = db
        self._visions: dict[str, VisionProvider] = {}
        self._languages: dict[str, LanguageProvider] = {}
        self._speeches: dict[str, SpeechProvider] = {}
        self.language = self.languages(None)
        self.prices = Prices(config)
        self._budget = Budget(config.model_calls_per_hour, config.model_calls_per_day)
        self._index_budgets: dict[str, Budget] = {}
        self.sounds = Sounds(registry.pronunciations())
        """Compares words of speech by their sound."""
        self._backoff = wait_exponential_jitter(initial=0.5, max=8.0)

    async def load(self) -> None:
        """Load the calls made before a restart."""
        config, spent = self._config, await self._db.read(values.get, BUDGET) or []
        self._budget = Budget(config.model_calls_per_hour, config.model_calls_per_day, spent)
        by_index: dict[str, list[tuple[int, int]]] = await self._db.read(values.get, INDEX_BUDGETS) or {}
        self._index_budgets = {name: Budget(self._per_index, spent=calls) for name, calls in by_index.items()}

    @property
    def _per_index(self) -> int | None:
        return self._config.model_calls_per_hour_per_index or None

    async def save(self) -> None:
        """Store the calls that were counted."""
        if spent := self._budget.spent:
            await self._db.write(values.put, BUDGET, spent)
        since = time.time() // 60 - 90  # in minutes. Older calls no longer count.
        by_index = {name: [pair for pair in own.spent if pair[0] > since] for name, own in self._index_budgets.items()}
        if self._index_budgets:
            await self._db.write(values.put, INDEX_BUDGETS, {name: calls for name, calls in by_index.items() if calls})

    def vision(self, name: str | None) -> VisionProvider:
        """Return the vision provider of a model name, which all indexes share. Raises ProviderError."""
        resolved = registry.resolve(name, self._config)
        if resolved not in self._visions:
            self._visions[resolved] = registry.vision(resolved, self._config)
        return self._visions[resolved]

    @cached_property
    def reads_text(self) -> bool:
        """Whether the built-in vision model reads text on screen."""
        return registry.screen_text(self._config)

    def languages(self, name: str | None) -> LanguageProvider:
        """Return the shared language provider of a model name. Raises ProviderError."""
        resolved = registry.resolve(name, self._config, "language")
        if resolved not in self._languages:
            self._languages[resolved] = registry.language(resolved, self._config)
        return self._languages[resolved]

    def speech(self, name: str) -> SpeechProvider:
        """Return the shared speech provider of an engine name. Raises ProviderError."""
        chosen = model_policy.speech(name, self._config).name
        if chosen not in self._speeches:
            self._speeches[chosen] = registry.speech(chosen, self._config)
        return self._speeches[chosen]

    def model_note(self, name: str | None, *, of_speech: bool = False) -> str:
        """Return the note for a request that names a model outside the allow-list, else an empty string."""
        return model_policy.model(name, self._config, "language" if of_speech else "vision").note

    def speech_note(self, name: str | None) -> str:
        """Return the note for a request that names a speech engine outside the allow-list, else an empty string."""
        return model_policy.speech(name, self._config).note

    def used(self) -> dict[str, int]:
        """Return the number of calls in the last hour and day."""
        return self._budget.used(time.time())

    @staticmethod
    def free(provider: VisionProvider | LanguageProvider) -> bool:
        """Return whether a provider is built in. Its calls cost nothing and are not counted."""
        return provider.name == registry.LOCAL

    async def call(
        self, provider: VisionProvider | LanguageProvider, ask: Callable[[], Awaitable[T]], index_id: str = ""
    ) -> T:
        """Call a model, with retries. Each attempt counts against the caps, unless the provider is built in.

        Args:
            provider: Provider of the model.
            ask: Makes one attempt.
            index_id: Index whose own cap also applies, or an empty string.

        Returns:
            The result of ``ask``.

        Raises:
            Capped: A cap is reached.
            ProviderError: The last attempt failed.
        """
        limit = self._config.model_timeout_s + SLACK_S
        async for attempt in AsyncRetrying(
            retry=retry_if_exception(_is_retryable),
            stop=stop_after_attempt(ATTEMPTS),
            wait=self._wait,
            sleep=anyio.sleep,
            reraise=True,
        ):
            with attempt:
                if not self.free(provider):
                    await self._spend(index_id)
                try:
                    with anyio.fail_after(limit):
                        return await ask()
                except TimeoutError:
                    raise ProviderError(f"The model did not respond within {limit:.0f} s.") from None
        raise AssertionError("unreachable")

    async def _spend(self, index_id: str) -> None:
        """Count one call. Raises Capped."""
        now = time.time()
        own: Budget | None = None
        if index_id and self._per_index:
            own = self._index_budgets.setdefault(index_id, Budget(self._per_index))
        refusal = (own.refusal(now) if own else None) or self._budget.take(now)
        if refusal is not None:
            raise Capped(refusal.reason, refusal.until)
        if own is not None:
            own.take(now)
        if own is not None or self._config.model_calls_per_hour or self._config.model_calls_per_day:
            # Before the call, so that an engine that keeps being killed cannot exceed its budget.
            with suppress(DatabaseUnavailable):  # the count in memory holds
                await self.save()

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after_s if isinstance(error, ProviderError) and error.retry_after_s else 0.0
        return min(MAX_WAIT_S, max(asked, self._backoff(state)))

    async def aclose(self) -> None:
        """Store the budget and close the providers."""
        with suppress(DatabaseUnavailable):
            await self.save()
        for provider in (*self._visions.values(), *self._languages.values(), *self._speeches.values()):
            await provider.aclose()


def _is_retryable(error: BaseException) -> bool:
    return isinstance(error, ProviderError) and not error.permanent and not isinstance(error, Capped)
