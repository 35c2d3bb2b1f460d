"""Resolves model names to providers, URLs and keys. Reads only the settings and the environment variables of keys."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from rtstream.config import EngineConfig
from rtstream.perception.protocols import ProviderError

Role = Literal["vision", "language", "speech", "embedding"]
INSTALL = 'pip install "rtstream-mcp[models]"'
LOCAL = "local"
"""Name of the built-in default."""
TIERS = ("mini", "basic", "pro", "ultra")

_SPELLINGS = {
    "google-gla": "google",
    "gemini": "google",
    "google-vertex": "google-cloud",
    "openai-chat": "openai",
    "lm-studio": "lmstudio",
    "llama.cpp": "llamacpp",
    "llama-cpp": "llamacpp",
}
# Self-hosted servers and the URL on which each listens by default, according to its documentation.
_OWN_SERVERS = {
    "ollama": "http://127.0.0.1:11434/v1",
    "lmstudio": "http://127.0.0.1:1234/v1",
    "vllm": "http://127.0.0.1:8000/v1",
    "llamacpp": "http://127.0.0.1:8080/v1",
}
OPENAI_COMPATIBLE = frozenset({"openai", *_OWN_SERVERS})
_KEYS = {
    "openai": ("OPENAI_API_KEY",),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "google": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    **{provider: (f"{provider.upper()}_API_KEY",) for provider in _OWN_SERVERS},
}
# From the providers' own overviews: cheapest for many calls, balanced, strong, strongest.
_TIERS = {
    "openai": dict(zip(TIERS, ("gpt-6-luna", "gpt-6.1-terra", "gpt-6.1-sol", "gpt-6-astra"), strict=True)),
    "anthropic": dict(
        zip(TIERS, ("claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5", "claude-fable-5-2"), strict=True)
    ),
    "google": dict(
        zip(TIERS, ("gemini-3.5-flash-lite", "gemini-3.8-flash", "gemini-4-argon", "gemini-4-argon"), strict=True)
    ),
}


@dataclass(frozen=True)
class Target:
    """A model and the way to reach it.

    Attributes:
        name: ``provider:model`` as the user wrote it.
        provider: Canonical name of the provider.
        model: Name of the model at its provider.
        base_url: URL of the server. Empty means the provider's own.
        api_key: The key, or an empty string.
        key_from: Name of the setting or variable that holds the key.
    """

    name: str
    provider: str
    model: str
    base_url: str = field(default="", repr=False)
    api_key: str = field(default="", repr=False)
    key_from: str = ""

    @property
    def host(self) -> str:
        """Host and port of ``base_url`` for messages, without any secrets in it."""
        return urlsplit(self.base_url).netloc.rpartition("@")[2]

    @property
    def key_variables(self) -> tuple[str, ...]:
        """Environment variables that may hold the key, the usual one first."""
        return _KEYS.get(self.provider, ())

    @property
    def needs_key(self) -> bool:
        """Whether a key must be set before the first call."""
        return self.provider in ("openai", "anthropic", "google") and not self.base_url


def choose(config: EngineConfig, role: Role, name: str | None = None) -> str:
    """Return ``provider:model`` or ``local`` for a requested name.

    Args:
        config: The engine's settings.
        role: The role of the model.
        name: None for the default, a tier, ``local`` or ``provider:model``.

    Raises:
        ProviderError: The name has none of these forms.
    """
    default = config.vision_model or LOCAL
    if role == "language":
        default = config.language_model or default
    name = (name or "").strip()
    if not name:
        return default
    if name == LOCAL:
        return LOCAL
    if name in TIERS:
        return _tier(config, role, name, default)
    provider, _, model = name.partition(":")
    if not (provider and model):
        raise ProviderError(
            f"Invalid model name. Use {', '.join(TIERS)}, local or provider:model, for example openai:gpt-6-luna.",
            permanent=True,
        )
    return name


def provider_name(spelling: str) -> str:
    """Return the one name of a provider that has several spellings."""
    spelling = spelling.strip().lower()
    return _SPELLINGS.get(spelling, spelling)


def target(config: EngineConfig, role: Role, name: str) -> Target:
    """Return the server, the model and the key for a name that ``choose`` returned (other than ``local``)."""
    provider, _, model = name.partition(":")
    provider = provider_name(provider)
    base_url = _base_url(config, role, provider)
    source = next((variable for variable in _KEYS.get(provider, ()) if os.environ.get(variable)), "")
    key = os.environ.get(source, "")
    if provider in OPENAI_COMPATIBLE and _configured_url(config, role) and config.model_api_key:
        source, key = "RTSTREAM_MODEL_API_KEY", config.model_api_key
    return Target(name, provider, model.strip(), base_url, key, source)


def tiers(config: EngineConfig) -> dict[str, str]:
    """Return the model of each tier."""
    return {tier: choose(config, "vision", tier) for tier in TIERS}


def _tier(config: EngineConfig, role: Role, tier: str, default: str) -> str:
    configured = {
        "mini": config.model_mini,
        "basic": config.model_basic,
        "pro": config.model_pro,
        "ultra": config.model_ultra,
    }[tier]
    if configured or default == LOCAL:
        return configured or LOCAL
    chosen = target(config, role, default)
    model = None if chosen.base_url else _TIERS.get(chosen.provider, {}).get(tier)
    return f"{default.partition(':')[0]}:{model}" if model else default


def _configured_url(config: EngineConfig, role: Role) -> str:
    own = {
        "vision": config.vision_base_url,
        "language": config.language_base_url,
        "speech": config.speech_base_url,
        "embedding": config.embedding_base_url,
    }[role]
    return own or config.model_base_url


def _base_url(config: EngineConfig, role: Role, provider: str) -> str:
    if provider not in OPENAI_COMPATIBLE:
        return ""  # the clients of these providers read environment variables of their own
    url = _configured_url(config, role) or os.environ.get(f"{provider.upper()}_BASE_URL", "")
    url = url.strip().rstrip("/") or _OWN_SERVERS.get(provider, "")
    # These servers print their URL as http://host:port, but the protocol lives below /v1.
    return f"{url}/v1" if url and not urlsplit(url).path else url
