"""The time zone of clock times: that of the settings, else that of this machine."""

from __future__ import annotations

import logging
import time
from datetime import datetime, tzinfo

import tzlocal

from rtstream.rules.time_expressions import find_zone, zone_name

log = logging.getLogger(__name__)


def local_zone(setting: str = "") -> tzinfo:
    """Return the time zone of the setting ``timezone``, else that of this machine.

    A machine whose time zone has no name has a fixed offset, the present one.
    """
    if setting:
        return find_zone(setting)
    try:
        return tzlocal.reload_localzone()  # it may have changed, for example while travelling
    except (LookupError, ValueError, OSError) as exc:  # configured twice, or data that is not installed
        log.warning("cannot find the time zone of this machine, its present offset is used: %s", exc)
        return datetime.now().astimezone().tzinfo or find_zone("UTC")


def local_zone_name(setting: str = "") -> str:
    """Return the name of the time zone, or its present offset."""
    return zone_name(local_zone(setting), time.time())
