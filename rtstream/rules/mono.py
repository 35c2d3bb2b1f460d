"""Mixes audio to mono for speech recognition, so that channels of opposite phase do not cancel each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CANCELLED = 0.1
"""Share of the louder channel's energy below which the mix counts as cancelled. One silent channel leaves a quarter."""


def layout_for(channels: int) -> str:
    """Return the layout to resample to: stereo remains stereo for ``to_mono``."""
    return "stereo" if channels == 2 else "mono"


def to_mono(samples: NDArray[np.int16], channels: int) -> NDArray[np.int16]:
    """Return the mean of the channels, or the louder channel where the mean cancels.

    Args:
        samples: Interleaved samples, int16 [time * channels].
        channels: 1 or 2.
    """
    if channels == 1:
        return samples
    both = samples.reshape(-1, 2).astype(np.float32)
    mix = both.mean(axis=1)
    energies = np.square(both).sum(axis=0)
    if np.square(mix).sum() < CANCELLED * energies.max(initial=0.0):
        mix = both[:, int(energies.argmax())]
    return np.rint(mix).astype(np.int16)
