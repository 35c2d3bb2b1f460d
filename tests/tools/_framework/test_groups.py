"""A choice of groups of tools."""

from __future__ import annotations

import pytest

from tools._framework.groups import ALL, DEFAULT, FORMER_GROUPS, GROUPS, chosen


def test_groups_are_separated_by_commas_and_nothing_means_the_default() -> None:
    assert chosen(" streams, videos,, streams ") == {"streams", "videos"}
    assert chosen("") == chosen(" , ") == {DEFAULT}
    assert chosen(",".join((*GROUPS, ALL, DEFAULT))) == {*GROUPS, ALL, DEFAULT}


@pytest.mark.parametrize("former", sorted(FORMER_GROUPS))
def test_a_group_of_an_earlier_version_means_the_default_tools(former: str) -> None:
    assert chosen(former) == {DEFAULT}
    assert chosen(f"{former},videos") == {DEFAULT, "videos"}


@pytest.mark.parametrize("text", ["Streams", "streams alerts", "x" * 500])
def test_an_unknown_group_is_refused_with_the_known_ones(text: str) -> None:
    with pytest.raises(ValueError, match="default, all, events") as refused:
        chosen(text)
    assert len(str(refused.value)) < 300
