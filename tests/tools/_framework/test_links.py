"""The machines on which links in results open."""

from __future__ import annotations

from tools._framework.links import with_reach

HERE, PUBLIC = "http://127.0.0.1:8740/watch?v=a", "https://cams.example.org/watch?v=a"


def test_each_object_with_links_tells_once_where_they_open() -> None:
    found = with_reach({"player_url": HERE, "stream_url": HERE, "note": "x", "hits": [{"player_url": PUBLIC}]})
    assert found == {
        "player_url": HERE,
        "stream_url": HERE,
        "opens_on": "this machine",
        "note": "x",
        "hits": [{"player_url": PUBLIC, "opens_on": "anywhere"}],
    }
    assert list(found) == ["player_url", "stream_url", "opens_on", "note", "hits"]


def test_objects_of_others_and_objects_without_links_stay_as_they_are() -> None:
    for result in ({"untrusted_data": {"player_url": HERE}}, {"url": HERE}, {"player_url": 1}, {}, {"a": [1, "x"]}):
        assert with_reach(result) == result
