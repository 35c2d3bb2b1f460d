"""Jobs: exports and transcriptions that run, and those that ended within an hour."""

from __future__ import annotations

from resources import uris
from rtstream.client import Feed, RTStreamClient
from rtstream.json_types import JsonObject
from rtstream.models import JobInfo
from rtstream.rules.text_safety import clean


async def jobs(client: RTStreamClient, feed: Feed) -> JsonObject:
    """The newest jobs, newest first."""
    cursor = await feed.cursor()
    return {"jobs": [_described(job) for job in await client.jobs.list()], "cursor": cursor}


async def job(client: RTStreamClient, feed: Feed, job_id: str) -> JsonObject:
    """One job. Raises NotFound."""
    cursor = await feed.cursor()
    return {**_described(await client.jobs.get(job_id)), "cursor": cursor}


def _described(job: JobInfo) -> JsonObject:
    described = job.model_dump(mode="json", exclude_none=True)
    return described | {"name": clean(job.name, 100), "uri": uris.job(job.job_id)}
