"""Indexes in the words of the published API."""

from __future__ import annotations

import pytest

from rtstream.models import IndexProgress


@pytest.mark.parametrize(
    ("sent", "read"), [("running", "connected"), ("connected", "connected"), ("stopped", "stopped")]
)
def test_both_words_of_the_published_api_for_a_running_index_are_read(sent: str, read: str) -> None:
    assert IndexProgress.model_validate({"rtstream_index_id": "i", "status": sent}).status == read


def test_another_status_is_refused() -> None:
    with pytest.raises(ValueError, match="status"):
        IndexProgress.model_validate({"rtstream_index_id": "i", "status": "lost"})
