"""A choice of groups of tools."""

from __future__ import annotations

import pytest

from tools._framework.groups import ALL, DEFAULT, GROUPS, chosen


def test_groups_are_separated_by_commas_and_nothing_means_the_default() -> None:
    assert chosen(" streams, alerts,, streams ") == {"streams", "alerts"}
    assert chosen("") == chosen(" , ") == {DEFAULT}
    assert chosen(",".join((*GROUPS, ALL, DEFAULT))) == {*GROUPS, ALL, DEFAULT}


@pytest.mark.parametrize("text", ["Streams", "streams alerts", "x" * 500])
def test_an_unknown_group_is_refused_with_the_known_ones(text: str) -> None:
    with pytest.raises(ValueError, match="default, all, streams") as refused:
        chosen(text)
    assert len(str(refused.value)) < 300
