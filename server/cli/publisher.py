"""``rtstream-mcp camera publish``: prints the URL and the stream key with which a publisher sends to the engine."""

from __future__ import annotations

from pydantic import BaseModel, Field

from rtstream.client import RTStreamClient
from rtstream.errors import InvalidRequest, Unavailable
from rtstream.models import ConnectStream
from rtstream.rules.source_urls import PUSH, parse_source
from server.cli.terminal import say, say_json
from server.settings import Settings
from server.stdio import locate


class PublisherAccess(BaseModel):
    """The place to which a publisher sends, in the parts that OBS asks for."""

    stream_id: str
    name: str
    server: str = Field(description="URL. That of RTMP is without the stream key; that of SRT is complete.")
    key: str = Field(description="Stream key. Its holder can send to this stream, and do nothing else. Empty for SRT.")


async def publish(settings: Settings, name: str, *, as_json: bool) -> int:
    """Connect a stream for a publisher unless there is one, and print its access. Returns the exit status.

    Raises:
        InvalidRequest: The name has another form, or the engine accepts no publishers.
        RTStreamError: The engine cannot be reached.
    """
    url = parse_source(f"{PUSH}://{name}").url
    client = RTStreamClient.located_by(locate(settings))
    try:
        request = ConnectStream(url=url, name=name, store=True, once=True)
        stream = await client.get_stream((await client.connect_stream(request)).id)
    finally:
        await client.aclose()
    if not stream.publish_urls:
        raise Unavailable("The engine accepts no publishers. Start it with RTSTREAM_LISTEN=rtmp://0.0.0.0:1935.")
    found = [_access(stream.id, stream.name, each) for each in stream.publish_urls]
    for access in found:
        if as_json:
            say_json(access)
        else:
            key = [f"key     {access.key}"] if access.key else []
            say(f"stream  {access.name} ({access.stream_id})", f"server  {access.server}", *key)
    return 0


def _access(stream_id: str, name: str, url: str) -> PublisherAccess:
    if url.startswith("srt://"):
        return PublisherAccess(stream_id=stream_id, name=name, server=url, key="")
    server, _, key = url.rpartition("/")
    if not server or not key:
        raise InvalidRequest("The service returned a URL without a stream key. Update the engine.")
    return PublisherAccess(stream_id=stream_id, name=name, server=server, key=key)
