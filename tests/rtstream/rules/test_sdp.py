"""The backchannel of a camera is removed from its description, and nothing else."""

from __future__ import annotations

import pytest

from rtstream.rules.sdp import without_backchannels

HEAD = b"v=0\r\ns=camera\r\n"
VIDEO = b"m=video 0 RTP/AVP 96\r\na=recvonly\r\n"
AUDIO = b"m=audio 0 RTP/AVP 8\r\na=control:1\r\n"
BACK = b"m=audio 0 RTP/AVP 0\r\na=sendonly\r\na=control:9\r\n"


@pytest.mark.parametrize("sections", [VIDEO + AUDIO + BACK, BACK + VIDEO + AUDIO, VIDEO + BACK + AUDIO])
def test_a_backchannel_is_removed_wherever_it_is(sections: bytes) -> None:
    assert without_backchannels(HEAD + sections) == HEAD + VIDEO + AUDIO


@pytest.mark.parametrize(
    "sections",
    [
        b"",
        VIDEO + AUDIO,
        BACK,
        VIDEO.replace(b"recvonly", b"sendonly") + BACK,
        VIDEO + AUDIO + b"a=x-sendonly\r\n",
    ],
)
def test_another_description_stays_as_it_is(sections: bytes) -> None:
    assert without_backchannels(HEAD + sections) == HEAD + sections
