"""A synthetic live source: a made-up desktop with speech, served as a real network stream for demos and tests.

    with LiveSource(make_clip(ClipSpec())) as source:
        source.http_url, source.hls_url, source.rtsp_url

As a program: ``python -m rtstream.testsource --help``. This package imports the codec library.
"""

from rtstream.testsource.clip import ClipSpec, make_clip
from rtstream.testsource.faults import Faults
from rtstream.testsource.frames import SLIDES, read_barcode
from rtstream.testsource.live import LiveSource

__all__ = ["SLIDES", "ClipSpec", "Faults", "LiveSource", "make_clip", "read_barcode"]
