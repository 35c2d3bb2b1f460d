"""Cuts recorded files where a power cut left pages without their data."""

from __future__ import annotations

import logging
from collections.abc import Collection

import anyio

from rtstream.mp4.recovery import PAGE, written_length
from rtstream.rules.recording_log import LOG_FILE
from rtstream.storage import Storage

log = logging.getLogger(__name__)

TAIL_BYTES = 32 << 20
"""Bytes at the end of a file that are examined. A recorder syncs its file every few seconds."""
FILES = 2
"""Newest files of a recording that are examined. The last segment of the older one is synced while the other begins."""


class MediaRecovery:
    """Examines files that were being written when the computer lost its power.

    The size of a file can reach the disk before its data. The missing pages then read as zeros.
    """

    def __init__(self, media: Storage) -> None:
        self._media = media

    async def cut(self, recordings: Collection[str], sizes: dict[str, int]) -> dict[str, int]:
        """Cut the newest files of recordings before their first missing page.

        What follows such a page was not synced either, because a sync covers a whole file.

        Args:
            recordings: Keys of their folders.
            sizes: Sizes in bytes of the files of their stream.

        Returns:
            The new sizes of the files that were cut.
        """
        found: dict[str, int] = {}
        for folder in recordings:
            files = sorted(key for key in sizes if key.startswith(f"{folder}/") and not key.endswith(LOG_FILE))
            for key in files[-FILES:]:
                try:
                    found |= await self._cut(key, sizes[key])
                except OSError as exc:
                    log.warning("%s cannot be examined after a power cut: %s", key, exc.strerror or exc)
        return found

    async def _cut(self, key: str, size: int) -> dict[str, int]:
        start = max(0, size - TAIL_BYTES) // PAGE * PAGE
        data = await self._media.read(key, start)
        length = await anyio.to_thread.run_sync(written_length, data)
        if length == len(data):
            return {}
        log.warning("%s ends at byte %d, because the rest never reached the disk", key, start + length)
        await self._media.truncate(key, start + length)
        return {key: start + length}
