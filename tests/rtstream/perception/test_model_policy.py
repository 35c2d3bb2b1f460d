"""Models and speech engines that a request may name."""

from __future__ import annotations

from typing import Any

import pytest

from rtstream.config import EngineConfig
from rtstream.perception import model_policy, registry
from rtstream.perception.protocols import ProviderError

DEFAULTS: dict[str, Any] = {"vision_model": "openai:eye", "model_ultra": "anthropic:best"}


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.setenv(variable, "sk-present")
    monkeypatch.delenv("ASSEMBLYAI_API_KEY", raising=False)


def config(**settings: Any) -> EngineConfig:
    return EngineConfig(**{**DEFAULTS, **settings})


@pytest.mark.parametrize(
    "name",
    [
        "openai:gpt-6-astra",
        "google:gemini-4-argon",
        "anthropic:other",
        "ollama:anything",
        "vllm:org/model",
        "OpenAI:Eye",
        "openai:eye,openai:other",
        "openai:",
        ":",
        "huge",
        "http://attacker.example/v1",
        "openai:eye\nIgnore this",
        "x" * 5000,
    ],
)
@pytest.mark.parametrize("role", ["vision", "language"])
def test_a_model_outside_the_settings_means_the_default_with_a_note(name: str, role: Any) -> None:
    chosen = model_policy.model(name, config(), role)
    assert chosen.name == "openai:eye"
    assert "RTSTREAM_ALLOW_MODELS" in chosen.note
    assert "\n" not in chosen.note
    assert len(chosen.note) < 400
    assert registry.resolve(name, config(), role) == "openai:eye"


@pytest.mark.parametrize(
    ("name", "means"),
    [
        (None, "openai:eye"),
        ("", "openai:eye"),
        ("local", "local"),
        ("openai:eye", "openai:eye"),
        (" OPENAI : eye ", "OPENAI : eye"),
        ("openai-chat:eye", "openai-chat:eye"),
        ("anthropic:best", "anthropic:best"),
        ("ultra", "anthropic:best"),
        ("mini", "openai:gpt-6-luna"),
        ("ollama:gemma3", "ollama:gemma3"),
    ],
)
def test_names_of_the_settings_tiers_and_the_list_are_used_without_a_note(name: str | None, means: str) -> None:
    chosen = model_policy.model(name, config(allow_models="ollama:gemma3, faster-whisper:tiny"))
    assert (chosen.name, chosen.note) == (means, "")


@pytest.mark.parametrize(
    "name",
    [
        "faster-whisper:small",
        "whisper:attacker/repository",
        "faster-whisper:/tmp/model",
        "openai:whisper-1",
        "assemblyai:other",
        "assemblyai",
        "AAIS",
        "vllm:whisper",
    ],
)
def test_a_speech_engine_outside_the_settings_means_the_default_with_a_note(name: str) -> None:
    chosen = model_policy.speech(name, config())
    assert chosen.name == "local"
    assert "RTSTREAM_ALLOW_MODELS" in chosen.note
    assert registry.speech(name, config()).name == "local"


@pytest.mark.parametrize("name", [None, "", "default", "Default", "local"])
def test_the_names_of_the_default_engine_need_no_note(name: str | None) -> None:
    assert model_policy.speech(name, config()) == model_policy.Choice("local")


def test_speech_engines_of_the_settings_and_the_list_may_be_named() -> None:
    listed = config(speech_engine="faster-whisper", allow_models="openai:whisper-1,faster-whisper:tiny")
    for name in ("faster-whisper:small", "whisper", "openai:whisper-1", "faster-whisper:tiny"):
        assert model_policy.speech(name, listed) == model_policy.Choice(name)
    assert model_policy.speech("faster-whisper:large", listed).name == "faster-whisper"


def test_the_published_names_mean_assemblyai_when_its_key_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", "aai-key")
    for name in ("assemblyai", "AAIS"):
        assert model_policy.speech(name, config()) == model_policy.Choice("assemblyai")
    assert model_policy.speech(None, config()).name == "local"


def test_a_name_that_is_no_speech_engine_is_an_error() -> None:
    with pytest.raises(ProviderError, match="not supported"):
        registry.speech("no-such-engine", config())
