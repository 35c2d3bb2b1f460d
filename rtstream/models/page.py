"""Pages of long lists. Engine, API and store accept no others, so the bounds are checked in one place."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MAX_PAGE_SIZE = 1000
MAX_PAGE = 1_000_000
MAX_OFFSET = 2**31
MAX_HITS = 200
MAX_ENTRIES = 500

Limit = Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE)]
"""Maximum number of objects in a response."""
HitLimit = Annotated[int, Field(ge=1, le=MAX_HITS)]
"""Maximum number of hits of a search, all of which are ranked and joined in memory."""
EntryLimit = Annotated[int, Field(ge=1, le=MAX_ENTRIES)]
"""Maximum number of journal entries in a response. Their detail makes them larger than other objects."""


class Slice(BaseModel):
    """A part of a list by position: ``limit`` objects after the first ``offset`` ones."""

    model_config = ConfigDict(frozen=True)

    limit: Limit = 100
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET)] = 0


class Page(BaseModel):
    """A part of a list by page number, from 1."""

    model_config = ConfigDict(frozen=True)

    page: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 1
    page_size: Limit = 100

    @property
    def offset(self) -> int:
        """Number of objects on the pages before this one."""
        return (self.page - 1) * self.page_size
