"""Tells models and speech engines whose calls may cost money from those on the user's own machines."""

from __future__ import annotations

OWN = frozenset(
    {
        *("local", "whisper", "faster-whisper"),
        *("ollama", "vllm", "lmstudio", "lm-studio", "llamacpp", "llama.cpp", "llama-cpp"),
    }
)
"""Built-in providers, engines that run in the program, and servers that users run themselves."""
_BY_NAME = frozenset({"assemblyai", "aais"})
"""Paid engines whose name has no model."""


def is_paid(name: str) -> bool:
    """Return whether calls of ``provider:model`` may cost money. Providers that are not known to be free may."""
    provider, colon, _ = name.strip().lower().partition(":")
    return provider in _BY_NAME or (bool(colon) and provider.strip() not in OWN)
