"""Tells models and speech engines whose calls may cost money from those on the user's own machines, and what they cost.

Sums are in US dollars, as in the price lists of most providers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

OWN = frozenset(
    {
        *("local", "whisper", "faster-whisper"),
        *("ollama", "vllm", "lmstudio", "lm-studio", "llamacpp", "llama.cpp", "llama-cpp"),
    }
)
"""Built-in providers, engines that run in the program, and servers that users run themselves."""
_BY_NAME = frozenset({"assemblyai", "aais"})
"""Paid engines whose name has no model."""
MILLION = 1_000_000
HOUR_S = 3600.0
FORM = "openai:gpt-6-luna=0.25/2, openai:whisper-1=0.36/h"


def is_paid(name: str) -> bool:
    """Return whether calls of ``provider:model`` may cost money. Providers that are not known to be free may."""
    provider, colon, _ = name.strip().lower().partition(":")
    return provider in _BY_NAME or (bool(colon) and provider.strip() not in OWN)


def bills_silence(engine: str) -> bool:
    """Return whether a speech engine bills all audio. The others receive, and bill, only what sounds like speech."""
    return engine.strip().lower().partition(":")[0] in _BY_NAME


@dataclass(frozen=True)
class Price:
    """The price of a model or speech engine.

    Attributes:
        tokens_in: US dollars per million input tokens.
        tokens_out: US dollars per million output tokens.
        hour: US dollars per hour of audio.
    """

    tokens_in: float = 0.0
    tokens_out: float = 0.0
    hour: float = 0.0

    def of(self, tokens_in: float = 0, tokens_out: float = 0, audio_s: float = 0.0) -> float:
        """Return the price of tokens and audio."""
        tokens = tokens_in * self.tokens_in + tokens_out * self.tokens_out
        return tokens / MILLION + audio_s * self.hour / HOUR_S


def parse_prices(text: str) -> dict[str, Price]:
    """Return the prices in a list such as ``FORM``, by the name of the model in lower case.

    Raises:
        ValueError: The list is invalid. The message is one sentence for the user.
    """
    found: dict[str, Price] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, _, price = entry.rpartition("=")
        first, _, second = price.strip().lower().partition("/")
        try:
            known = Price(hour=_amount(first)) if second == "h" else Price(_amount(first), _amount(second or first))
        except ValueError:
            known = None
        if not name.strip() or known is None:
            raise ValueError(
                f"A price must be the name of a model with dollars per million input and output tokens, or per hour of "
                f"audio: {FORM}."
            )
        found[name.strip().lower()] = known
    return found


def _amount(text: str) -> float:
    amount = float(text)
    if not 0 <= amount < math.inf:
        raise ValueError
    return amount
