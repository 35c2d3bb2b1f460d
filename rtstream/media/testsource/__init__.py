"""A synthetic live source: a made-up desktop with speech, served as a real network stream for demos and tests.

    with LiveSource(make_clip(ClipSpec())) as source:
        source.http_url, source.hls_url, source.rtsp_url

As a program: ``python -m rtstream.media.testsource --help``. This package imports the codec library.
"""

from rtstream.media.testsource.clip import ClipSpec, make_clip
from rtstream.media.testsource.faults import Faults
from rtstream.media.testsource.live import LiveSource
from rtstream.media.testsource.pictures import SLIDES, read_barcode

__all__ = ["SLIDES", "ClipSpec", "Faults", "LiveSource", "make_clip", "read_barcode"]
