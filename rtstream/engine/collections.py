"""Collections: groups of streams and videos."""

from __future__ import annotations

import time

from sqlalchemy import Connection

from rtstream import ids
from rtstream.errors import Conflict, InvalidRequest
from rtstream.models import Collection
from rtstream.store import streams as rows
from rtstream.store.database import Database
from rtstream.store.streams import CollectionRow


class Collections:
    """Manages collections. All methods raise NotFound for an unknown id."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def get(self, collection_id: str) -> Collection:
        """Return a collection. ``default`` always exists."""
        return _collection(await self._db.read(rows.get_collection, collection_id))

    async def list(self) -> list[Collection]:
        """Return all collections."""
        return [_collection(row) for row in await self._db.read(rows.list_collections)]

    async def create(self, name: str, description: str, is_public: bool) -> Collection:
        """Create a collection. Raises InvalidRequest if the name is empty."""
        if not name.strip():
            raise InvalidRequest("The name of the collection is empty. Choose a name.")
        values = {"id": ids.collection_id(), "name": name.strip()[:200], "description": description[:2000]}
        await self._db.write(
            lambda conn: rows.insert_collection(conn, **values, is_public=is_public, created_at=time.time())
        )
        return await self.get(values["id"])

    async def update(
        self,
        collection_id: str,
        *,
        name: str | None = None,
        description: str | None = None,
        is_public: bool | None = None,
    ) -> Collection:
        """Update a collection. Fields that are None stay as they are."""
        given = {"name": name, "description": description, "is_public": is_public}
        changes = {key: value for key, value in given.items() if value is not None}
        return _collection(await self._db.write(rows.update_collection, collection_id, changes))

    async def contents(self, collection_id: str) -> tuple[list[str], list[str]]:
        """Return the ids of the streams and of the videos of a collection that can be deleted.

        Raises:
            InvalidRequest: It is the collection ``default``.
        """
        if collection_id == rows.DEFAULT_COLLECTION:
            raise InvalidRequest("The collection 'default' cannot be deleted. Delete its streams and videos instead.")
        return await self._db.read(rows.in_collection, collection_id)

    async def delete(self, collection_id: str) -> None:
        """Delete an empty collection. Raises Conflict if it has streams or videos."""

        def delete(conn: Connection) -> None:
            streams, videos = rows.in_collection(conn, collection_id)
            if streams or videos:
                raise Conflict(
                    f"The collection has {len(streams)} streams and {len(videos)} videos. Delete them first, or send "
                    "force=true to delete them with it."
                )
            rows.delete_collection(conn, collection_id)

        await self._db.write(delete)


def _collection(row: CollectionRow) -> Collection:
    return Collection(id=row.id, name=row.name, description=row.description, is_public=row.is_public)
