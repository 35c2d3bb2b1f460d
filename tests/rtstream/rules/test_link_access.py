"""The machines on which a link opens, by its host."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.link_access import LinkReach, opens_on


@pytest.mark.parametrize(
    ("url", "reach"),
    [
        ("http://127.0.0.1:8740/watch?v=x", "this machine"),
        ("http://localhost:8740/watch?v=x", "this machine"),
        ("http://[::1]:8740/watch?v=x", "this machine"),
        ("http://[::ffff:127.0.0.1]/x", "this machine"),
        ("http://0.0.0.0:8740/x", "this machine"),
        ("http://box.localhost/x", "this machine"),
        ("http://192.168.1.20:8740/x", "your network"),
        ("http://10.0.0.1/x", "your network"),
        ("http://[fd00::1]/x", "your network"),
        ("http://100.64.0.7/x", "your network"),
        ("http://169.254.3.4/x", "your network"),
        ("http://nas:8740/x", "your network"),
        ("http://nas.local/x", "your network"),
        ("http://nas.home.arpa./x", "your network"),
        ("https://cams.example.org/x", "anywhere"),
        ("https://8.8.8.8/x", "anywhere"),
        ("https://[2606:4700::1]/x", "anywhere"),
    ],
)
def test_a_link_opens_where_its_host_is_reachable(url: str, reach: str) -> None:
    assert opens_on(url) == reach


@given(st.text(max_size=100))
def test_any_text_has_a_reach(text: str) -> None:
    assert opens_on(text) in LinkReach
    assert opens_on(f"http://{text}") in LinkReach
