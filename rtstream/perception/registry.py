"""Which provider a model name means. The one place where names become models."""

from __future__ import annotations

from rtstream.config import EngineConfig
from rtstream.perception.local.language import LocalLanguage
from rtstream.perception.local.vision import LocalVision, can_read_text
from rtstream.perception.protocols import LanguageProvider, ProviderError, SpeechProvider, VisionProvider

EMBEDDED = "local"
TIERS = ("mini", "basic", "pro", "ultra")
"""Names of the published API; each means the configured model, the embedded default when there is none."""


def resolve(name: str | None) -> str:
    """The model a name means: ``local`` or ``provider:model``. Raises ProviderError for any other name."""
    name = (name or "").strip()
    if name in ("", EMBEDDED, *TIERS):
        return EMBEDDED
    provider, colon, model = name.partition(":")
    if not (provider and colon and model):
        raise ProviderError(
            f"A model is named {', '.join(TIERS)}, local or provider:model, for example openai:gpt-4o-mini.",
            permanent=True,
        )
    return name


def vision(name: str | None, config: EngineConfig) -> VisionProvider:
    """The provider that describes pictures; the caller closes it. Raises ProviderError."""
    _embedded_only(resolve(name))
    return LocalVision(read_text=config.local_vision)


def language(name: str | None, config: EngineConfig) -> LanguageProvider:
    """The provider that summarises and decides events; the caller closes it. Raises ProviderError."""
    _embedded_only(resolve(name))
    return LocalLanguage()


def speech(name: str | None, config: EngineConfig) -> SpeechProvider:
    """The provider that turns sound into text; the caller closes it. Raises ProviderError."""
    raise ProviderError("Transcripts are not offered yet.", permanent=True)


def screen_text(config: EngineConfig) -> bool:
    """The embedded provider can read text on screen."""
    return config.local_vision and can_read_text()


def _embedded_only(resolved: str) -> None:
    if resolved != EMBEDDED:
        raise ProviderError(
            "Models of providers are not supported by this version; leave model_name out for the embedded default.",
            permanent=True,
        )
