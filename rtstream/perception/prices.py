"""The prices of models: those of the settings, else those in the list of the package genai-prices, if it is installed.

The package belongs to the client library of the models. Its list is read from the package, never from the network.
"""

from __future__ import annotations

from rtstream.config import EngineConfig
from rtstream.perception.llm.names import provider_name
from rtstream.rules.model_cost import MILLION, Price, is_paid, parse_prices

FREE = Price()


class Prices:
    """Knows the prices of models and speech engines, by ``provider:model``."""

    def __init__(self, config: EngineConfig) -> None:
        self._set = parse_prices(config.model_prices)
        # The servers behind an address in the settings may be anyone's, so the public list does not apply to them.
        self._public = not (config.model_base_url or config.vision_base_url or config.language_base_url)
        self._known: dict[str, Price | None] = {}

    def of(self, name: str) -> Price | None:
        """Return the price of a model, or None if it is not known. The first call may take a second."""
        name = name.strip()
        known = self._set.get(name.lower())
        if known is not None:
            return known
        if not is_paid(name):
            return FREE
        if name not in self._known:
            self._known[name] = _listed(name) if self._public else None
        return self._known[name]

    def cost(self, name: str, tokens_in: float, tokens_out: float) -> float | None:
        """Return the cost of tokens in US dollars. None: they are free, or ``of`` has found no price so far."""
        price = self._set.get(name.strip().lower()) or self._known.get(name.strip())
        return round(price.of(tokens_in, tokens_out), 6) if price is not None and is_paid(name) else None


def _listed(name: str) -> Price | None:
    provider, _, model = name.partition(":")
    if not model:
        return None
    try:
        from genai_prices import Usage, calc_price
    except ImportError:
        return None

    def price(**tokens: int) -> float:
        # Few tokens, because the price of some models rises with the length of a prompt.
        found = calc_price(Usage(**tokens), model.strip(), provider_id=provider_name(provider))
        return float(found.total_price) * MILLION / 1000

    try:
        return Price(price(input_tokens=1000), price(output_tokens=1000))
    except LookupError:
        return None
