"""Pages: the bounds that hold wherever a list is cut."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from rtstream.models.page import MAX_ENTRIES, MAX_HITS, MAX_OFFSET, MAX_PAGE, MAX_PAGE_SIZE, Page, Slice


def test_a_page_begins_after_the_pages_before_it() -> None:
    assert [Page(page=number, page_size=7).offset for number in (1, 2, 5)] == [0, 7, 28]
    assert (Page().offset, Page().page_size) == (0, 100)


@pytest.mark.parametrize("page", [0, -1, MAX_PAGE + 1, 2**63])
def test_a_page_outside_the_bounds_is_refused(page: int) -> None:
    with pytest.raises(ValidationError):
        Page(page=page)


@pytest.mark.parametrize("number", [0, -1, MAX_PAGE_SIZE + 1])
def test_every_list_has_the_same_bounds_of_size(number: int) -> None:
    with pytest.raises(ValidationError):
        Page(page_size=number)
    with pytest.raises(ValidationError):
        Slice(limit=number)


@pytest.mark.parametrize("offset", [-1, MAX_OFFSET + 1])
def test_an_offset_outside_the_bounds_is_refused(offset: int) -> None:
    with pytest.raises(ValidationError):
        Slice(offset=offset)


def test_the_bounds_of_every_query_are_those_of_a_page() -> None:
    """A query with a bound of its own would let one list return what another refuses."""
    from rtstream.api import events, indexes, links, streams, transcripts

    for query in (events.ListDecisions, indexes.ListScenes, transcripts.GetTranscript):
        assert issubclass(query, Page)
    for query in (links.ListLinks, streams.ListStreams):
        assert issubclass(query, Slice)
        with pytest.raises(ValidationError):
            query.model_validate({"limit": MAX_PAGE_SIZE + 1})


def test_searches_and_the_journal_have_bounds_of_their_own() -> None:
    from rtstream.api.journal import ReadJournal
    from rtstream.api.video_transcripts import LegacySearch, NewSearch
    from rtstream.models import SearchStreams

    for body, field in ((SearchStreams, "result_threshold"), (LegacySearch, "result_threshold"), (NewSearch, "top_k")):
        body.model_validate({"query": "door", field: MAX_HITS})
        for number in (0, MAX_HITS + 1):
            with pytest.raises(ValidationError):
                body.model_validate({"query": "door", field: number})
    ReadJournal.model_validate({"limit": MAX_ENTRIES})
    for number in (0, MAX_ENTRIES + 1):
        with pytest.raises(ValidationError):
            ReadJournal.model_validate({"limit": number})
