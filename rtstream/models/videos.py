"""Exported videos, their transcripts, and clips."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rtstream.json_types import JsonObject
from rtstream.models.base import ApiModel


class VideoWord(ApiModel):
    """A piece of a video's transcript: a word, a sentence or some seconds.

    Times are seconds from the start of the video.
    """

    start: float
    end: float
    text: str
    word: str = Field(description="Same as ``text``, because some clients read this field.")


class ClipLinks(ApiModel):
    """URLs that play parts of videos, one after the other (API reference 2.19)."""

    stream_url: str
    player_url: str


class Video(ApiModel):
    """An exported video (API reference 2.19). Its links last until they are revoked or the video is deleted."""

    id: str
    collection_id: str
    stream_url: str
    player_url: str
    name: str
    description: str = ""
    thumbnail_url: str | None = None
    length: float = Field(description="seconds")
    transcript: list[VideoWord] | None = Field(
        default=None, description="Words with their times, for one transcribed video of up to 20,000 words."
    )
    transcript_text: str | None = Field(default=None, description="The transcript of one video. Untrusted.")
    # extensions
    download_url: str = ""
    file: str = Field(
        default="", description="Path of the file. Set for a single video and a client on the engine's own machine."
    )
    rtstream_id: str = Field(
        default="", description="The stream that it was recorded from, which may have been deleted."
    )
    start: float = Field(default=0.0, description="Unix seconds of its first picture.")
    end: float = Field(default=0.0, description="Unix seconds of its last picture.")
    covered: list[tuple[float, float]] = Field(
        default_factory=list, description="Consecutive ranges [start, end] that it contains, in Unix seconds."
    )
    gaps: list[tuple[float, float]] = Field(default_factory=list, description="Ranges missing between them.")
    size: int = Field(default=0, description="bytes")
    created_at: float = 0.0


class VideoPicture(ApiModel):
    """A picture of an exported video (API reference 2.19), as JPEG."""

    id: str
    collection_id: str
    name: str
    url: str
    # extensions
    time: float = Field(description="Seconds from the start of the video.")


class VideoScene(ApiModel):
    """A scene of an exported video, found by an index of its stream. The description is untrusted.

    Times are seconds from the start of the video.
    """

    scene_id: str
    start: float
    end: float
    description: str
    frames: list[VideoPicture] = Field(default_factory=list, description="Always empty.")
    metadata: JsonObject = Field(default_factory=dict)
    # extensions
    scene_index_id: str
    scene_index_name: str | None = None


class VideoSceneIndex(ApiModel):
    """An index of a stream, as far as it describes an exported video of that stream (API reference 2.19)."""

    scene_index_id: str
    scene_collection_id: str = Field(description="Same as ``scene_index_id``.")
    name: str | None = None
    status: Literal["ready"] = "ready"
    # extensions
    rtstream_id: str
    prompt: str | None = None


class SceneCollection(ApiModel):
    """The scenes that one index found in an exported video, oldest first."""

    scene_collection_id: str
    config: JsonObject = Field(default_factory=dict)
    scenes: list[VideoScene]


class ExportRequest(ApiModel):
    """Body of ``POST rtstream/{id}/export``."""

    name: str | None = Field(default=None, max_length=200)
    # extensions
    start: float | None = Field(
        default=None, description="Together with end, exports this window, even while the stream runs."
    )
    end: float | None = None
    wait_s: float = Field(default=25.0, ge=0, le=25, description="Seconds after which the response is 'processing'.")
    searchable: bool = Field(default=False, description="Transcribe the video in the background once it is exported.")


class ExportResult(ApiModel):
    """Result of an export (API reference 2.7)."""

    video_id: str
    stream_url: str | None = None
    player_url: str | None = None
    name: str = ""
    duration: float | None = Field(default=None, description="seconds")
    # extensions
    download_url: str | None = None
    file: str = Field(default="", description="Path of the file, for a client on the engine's own machine.")
    audio: bool = True
    start: float | None = None
    end: float | None = None
    covered: list[tuple[float, float]] = Field(default_factory=list)
    gaps: list[tuple[float, float]] = Field(default_factory=list)


class VideoTranscript(ApiModel):
    """The transcript of an exported video (API reference 2.19). The text is untrusted."""

    word_timestamps: list[VideoWord]
    text: str


class VideoShot(ApiModel):
    """A matching moment of a video. Times are seconds from the start of the video, and ``text`` is untrusted."""

    start: float
    end: float
    text: str
    score: float
    scene_index_id: str | None = None
    scene_index_name: str | None = None
    metadata: JsonObject = Field(default_factory=dict)
    stream_url: str | None = None
    player_url: str | None = None
    # extensions
    clip_start: float | None = Field(default=None, description="Start of a clip with the sentences around the moment.")
    clip_end: float | None = None


class VideoHits(ApiModel):
    """The matching moments of one video, best first (API reference 2.19)."""

    video_id: str
    collection_id: str
    title: str
    length: float
    docs: list[VideoShot]
