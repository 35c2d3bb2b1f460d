"""The detail of a scene is stored without empty fields and restored with them."""

from __future__ import annotations

from rtstream.rules.scene_detail import SceneDetail
from rtstream.rules.screen_changes import ScreenChanges


def test_a_detail_survives_its_storage() -> None:
    changes = ScreenChanges(cut=True, appeared=["a line"])
    spoken = [(1.0, 2.0), (2.25, 2.5)]
    full = SceneDetail([1.0, 2.5], 7, "hello", 0.4, ["a line"], changes, True, "why", "no JSON", spoken)
    for detail in (full, SceneDetail()):
        assert SceneDetail.from_json(detail.to_json()) == detail


def test_empty_fields_are_not_stored() -> None:
    assert SceneDetail().to_json() == {"latency_s": None, "lines": [], "changes": {}}


def test_rows_of_earlier_versions_are_read() -> None:
    assert SceneDetail.from_json(None) == SceneDetail.from_json({"lines": None, "changes": None}) == SceneDetail()
