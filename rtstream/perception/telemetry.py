"""Telemetry of the libraries that run local models, which this project never sends."""

from __future__ import annotations

import os


def disable() -> None:
    """Turn off the telemetry of onnxruntime in this process. Call it before anything creates an inference session.

    ``ORT_DISABLE_TELEMETRY`` covers the releases that send events when they are imported (since 1.29). The API call
    covers builds that only know the call.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime
    except ImportError:
        return
    call = getattr(onnxruntime, "disable_telemetry_events", None)  # absent from builds without telemetry
    if call is not None:
        call()
