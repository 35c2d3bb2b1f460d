"""Whether the audio of a stream is read."""

from __future__ import annotations

import pytest

from rtstream.rules.audio_choice import AudioSetting, audio_off


@pytest.mark.parametrize(
    ("wanted", "setting", "named"),
    [
        (True, "always", ""),
        (False, "always", "audio=false"),
        (True, "never", "record_audio"),
        (False, "never", "record_audio"),
    ],
)
def test_audio_is_read_unless_the_stream_or_the_setting_says_otherwise(
    wanted: bool, setting: AudioSetting, named: str
) -> None:
    reason = audio_off(wanted, setting)
    assert bool(reason) == bool(named)
    assert named in reason
