"""Guesses the input tokens of texts and pictures, by the formulas in the documentation of the providers."""

from __future__ import annotations

import math

CHARS_PER_TOKEN = 4.0
ANTHROPIC_PIXELS = 750
ANTHROPIC_MOST = 1600
GOOGLE_TILE, GOOGLE_SMALL, GOOGLE_TOKENS = 768, 384, 258
OPENAI_TILE, OPENAI_SHORT, OPENAI_BASE, OPENAI_TOKENS = 512, 768, 85, 170
PATCH, MOST_PATCHES, PATCH_FACTOR = 32, 1536, 1.62
"""Small models of OpenAI count patches of 32 pixels."""


def text_tokens(chars: int) -> float:
    """Return the tokens of a text of this length."""
    return chars / CHARS_PER_TOKEN


def picture_tokens(model: str, width: int, height: int) -> float:
    """Return the tokens of a picture for ``provider:model``. Sizes are in pixels."""
    provider, _, name = model.lower().partition(":")
    if provider == "anthropic":
        return min(ANTHROPIC_MOST, math.ceil(width * height / ANTHROPIC_PIXELS))
    if provider.startswith("google") or provider == "gemini":
        if max(width, height) <= GOOGLE_SMALL:
            return GOOGLE_TOKENS
        return GOOGLE_TOKENS * math.ceil(width / GOOGLE_TILE) * math.ceil(height / GOOGLE_TILE)
    if "mini" in name or "nano" in name:
        patches = math.ceil(width / PATCH) * math.ceil(height / PATCH)
        return PATCH_FACTOR * min(MOST_PATCHES, patches)
    scale = min(1.0, OPENAI_SHORT / min(width, height))
    tiles = math.ceil(width * scale / OPENAI_TILE) * math.ceil(height * scale / OPENAI_TILE)
    return OPENAI_BASE + OPENAI_TOKENS * tiles
