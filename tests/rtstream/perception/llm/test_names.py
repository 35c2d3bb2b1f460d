"""Names of models: tiers, defaults, addresses, keys."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from rtstream.config import EngineConfig
from rtstream.perception.llm.names import choose, target, tiers
from rtstream.perception.protocols import ProviderError


def test_nothing_configured_means_the_embedded_default() -> None:
    config = EngineConfig()
    for name in (None, "", "local", "mini", "ultra"):
        assert choose(config, "vision", name) == "local"
    assert choose(config, "language") == "local"


def test_language_uses_the_vision_model_unless_told_otherwise() -> None:
    assert choose(EngineConfig(vision_model="openai:a"), "language") == "openai:a"
    assert choose(EngineConfig(vision_model="openai:a", language_model="openai:b"), "language") == "openai:b"
    assert choose(EngineConfig(vision_model="openai:a", language_model="local"), "language") == "local"


def test_a_tier_means_its_setting_then_the_providers_model_then_the_default() -> None:
    config = EngineConfig(vision_model="google-gla:gemini-4-argon", model_pro="openai:own")
    assert tiers(config) == {
        "mini": "google-gla:gemini-3.5-flash-lite",
        "basic": "google-gla:gemini-3.8-flash",
        "pro": "openai:own",
        "ultra": "google-gla:gemini-4-argon",
    }
    assert set(tiers(EngineConfig(vision_model="ollama:gemma3")).values()) == {"ollama:gemma3"}
    # A server behind an address of one's own does not know OpenAI's models.
    own = EngineConfig(vision_model="openai:mine", model_base_url="http://gpu:8000")
    assert set(tiers(own).values()) == {"openai:mine"}


def test_a_tier_may_be_set_without_a_default_model() -> None:
    assert choose(EngineConfig(model_mini="openai:a"), "vision", "mini") == "openai:a"


def test_an_unknown_name_is_one_clear_sentence() -> None:
    for name in ("gpt-6", "openai:", ":x", "Mini"):
        with pytest.raises(ProviderError, match="provider:model") as caught:
            choose(EngineConfig(), "vision", name)
        assert caught.value.permanent


@pytest.mark.parametrize(
    ("setting", "value"), [("vision_model", "gpt-6"), ("model_mini", "openai:"), ("model_base_url", "gpu:8000")]
)
def test_a_bad_setting_is_refused(setting: str, value: str) -> None:
    with pytest.raises(ValidationError):
        EngineConfig.model_validate({setting: value})


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("ollama:x", "http://127.0.0.1:11434/v1"),
        ("lmstudio:x", "http://127.0.0.1:1234/v1"),
        ("vllm:x", "http://127.0.0.1:8000/v1"),
        ("llama.cpp:x", "http://127.0.0.1:8080/v1"),
        ("openai:x", ""),
        ("anthropic:x", ""),
    ],
)
def test_each_provider_has_its_usual_address(name: str, url: str) -> None:
    assert target(EngineConfig(), "vision", name).base_url == url


def test_an_address_may_be_set_for_all_roles_or_for_one() -> None:
    config = EngineConfig(model_base_url="http://gpu:8000/", language_base_url="https://mind.example/openai/v1")
    assert target(config, "vision", "openai:x").base_url == "http://gpu:8000/v1"
    assert target(config, "language", "openai:x").base_url == "https://mind.example/openai/v1"
    assert target(config, "vision", "anthropic:x").base_url == ""


def test_a_key_goes_only_where_it_belongs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "for-openai")
    monkeypatch.setenv("VLLM_API_KEY", "for-vllm")
    own = EngineConfig(model_base_url="http://gpu:8000", model_api_key="for-gpu")
    assert target(EngineConfig(), "vision", "openai:x").api_key == "for-openai"
    assert target(EngineConfig(model_api_key="for-gpu"), "vision", "openai:x").api_key == "for-openai"
    assert target(own, "vision", "openai:x").api_key == "for-gpu"
    assert target(own, "vision", "anthropic:x").api_key == ""
    assert target(EngineConfig(), "vision", "vllm:x").api_key == "for-vllm"
    assert target(EngineConfig(model_base_url="http://gpu"), "vision", "lmstudio:x").api_key == ""


def test_no_printout_shows_a_key_or_an_address() -> None:
    config = EngineConfig(model_base_url="http://me:hunter2@gpu:8000", model_api_key="sk-1")
    shown = target(config, "vision", "openai:x")
    assert shown.host == "gpu:8000"
    for secret in ("hunter2", "sk-1"):
        assert secret not in repr(shown)
    assert "sk-1" not in repr(config)
