"""Models that may cost money are told from free ones by their names."""

from __future__ import annotations

import pytest

from rtstream.perception.llm import names
from rtstream.rules.model_cost import OWN, Price, bills_silence, is_paid, parse_prices


@pytest.mark.parametrize(
    "name",
    [
        *("openai:gpt-6-luna", "anthropic:claude-haiku-5-5", "google:gemini-4-argon", "gemini:gemini-4-argon"),
        *("openai:whisper-1", "assemblyai", "assemblyai:best", "AAIS", "mistral:large", " OpenAI:x"),
    ],
)
def test_models_of_other_companies_may_cost_money(name: str) -> None:
    assert is_paid(name)


@pytest.mark.parametrize(
    "name", ["", "local", "none", "whisper", "faster-whisper:small", "ollama:gemma", "LM-Studio:x", "minilm-l6-v2"]
)
def test_built_in_and_self_hosted_models_are_free(name: str) -> None:
    assert not is_paid(name)


def test_every_spelling_of_a_self_hosted_server_is_free() -> None:
    servers = names.OPENAI_COMPATIBLE - {"openai"}
    spellings = {spelling for spelling, name in names._SPELLINGS.items() if name in servers}
    assert servers | spellings <= OWN


def test_prices_are_read_per_million_tokens_or_per_hour() -> None:
    found = parse_prices(" OpenAI:gpt-6-luna = 0.25/2 , openai:whisper-1=0.36/h,x:y=1,")
    assert found == {
        "openai:gpt-6-luna": Price(0.25, 2.0),
        "openai:whisper-1": Price(hour=0.36),
    } | {"x:y": Price(1.0, 1.0)}


def test_a_price_is_that_of_tokens_and_of_audio() -> None:
    assert Price(0.25, 2.0).of(2_000_000, 500_000) == pytest.approx(1.5)
    assert Price(hour=0.36).of(audio_s=600) == pytest.approx(0.06)


@pytest.mark.parametrize(
    "text", ["openai:x", "openai:x=", "openai:x=/", "=1/2", "openai:x=-1/2", "openai:x=nan/1", "openai:x=1/2/3"]
)
def test_a_price_that_cannot_be_read_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="openai:gpt-6-luna"):
        parse_prices(text)


def test_only_streaming_engines_bill_silence() -> None:
    assert bills_silence("assemblyai:best")
    assert not bills_silence("openai:whisper-1")
