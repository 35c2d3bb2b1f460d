"""Names of downloaded files."""

from __future__ import annotations

import pytest

from rtstream.engine.recordings.media_access import _file_name
from rtstream.rules.text_safety import clean


@pytest.mark.parametrize("title", ["दरवाज़ा", "ประตู", "Straße İzmir", "玄関", "בַּיִת", "Door (2) - a_b.c"])
def test_a_file_name_keeps_the_letters_of_every_script(title: str) -> None:
    assert _file_name(title) == clean(title, 80)


@pytest.mark.parametrize("title", ["a/b", "a\\b", 'a"b', "a:b", "a*b", "a|b"])
def test_a_file_name_has_no_character_that_a_system_refuses(title: str) -> None:
    assert _file_name(title) == "a_b"
