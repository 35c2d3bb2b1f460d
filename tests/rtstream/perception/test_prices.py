"""Prices come from the settings, and for known models of known providers from a list that is read without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rtstream.config import EngineConfig
from rtstream.perception.prices import FREE, Prices
from rtstream.rules.model_cost import Price


def prices(folder: Path, **settings: Any) -> Prices:
    return Prices(EngineConfig(data_dir=folder, **settings))


def test_a_price_in_the_settings_comes_first(tmp_path: Path) -> None:
    known = prices(tmp_path, model_prices="openai:gpt-4o-mini=7/8")
    assert known.of("OpenAI:GPT-4o-mini") == Price(7.0, 8.0)


def test_models_of_ones_own_are_free(tmp_path: Path) -> None:
    assert prices(tmp_path).of("ollama:gemma3") == prices(tmp_path).of("local") == FREE


def test_a_known_model_of_a_provider_has_its_public_price(tmp_path: Path) -> None:
    pytest.importorskip("genai_prices", reason="models need the extra 'models'")
    found = prices(tmp_path).of("openai:gpt-4o-mini")
    assert found is not None
    assert 0 < found.tokens_in < found.tokens_out
    assert prices(tmp_path).of("openai:no-such-model-1234") is None


def test_the_public_price_does_not_apply_to_a_server_of_someone_else(tmp_path: Path) -> None:
    assert prices(tmp_path, model_base_url="http://127.0.0.1:9/v1").of("openai:gpt-4o-mini") is None


def test_the_cost_of_tokens_is_known_once_the_price_was_looked_up(tmp_path: Path) -> None:
    known = prices(tmp_path, model_prices="openai:eye-1=2/10")
    assert known.cost("openai:eye-1", 1_000_000, 100_000) == 3.0
    assert known.cost("local", 10, 10) is None
    assert known.cost("openai:other", 10, 10) is None


def test_a_price_list_that_cannot_be_read_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="per million"):
        prices(tmp_path, model_prices="openai:gpt-4o-mini")


def test_an_engine_without_a_model_in_its_name_has_no_public_price(tmp_path: Path) -> None:
    assert prices(tmp_path).of("assemblyai") is None
