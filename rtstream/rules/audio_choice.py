"""Decides whether the audio of a stream is read at all."""

from __future__ import annotations

from typing import Literal

AudioSetting = Literal["always", "never"]
"""Value of the setting ``record_audio``."""


def audio_off(wanted: bool, setting: AudioSetting) -> str:
    """Return why the audio of a stream is not read, or an empty string if it is.

    Args:
        wanted: Whether the stream was connected with its audio.
        setting: Value of the setting ``record_audio``.
    """
    if setting == "never":
        return (
            "The setting record_audio is 'never', so the audio of streams is neither recorded nor analysed. Set "
            "RTSTREAM_RECORD_AUDIO=always and start the engine again."
        )
    if not wanted:
        return (
            "This stream was connected without its audio (audio=false), so there is nothing to hear. Send "
            '{"audio": true} with PATCH rtstream/{id}, or connect the source again with its audio.'
        )
    return ""
