"""A synthetic live source for demos and tests: a fictional desktop with speech, served as a real network stream.

    with LiveSource(make_clip(ClipSpec())) as source:
        source.http_url, source.hls_url, source.rtsp_url

Run ``python -m rtstream.testsource --help`` to use it as a program. This package imports the codec library.
"""

from rtstream.testsource.audio import read_sentence
from rtstream.testsource.clip import ClipSpec, make_clip
from rtstream.testsource.faults import Faults
from rtstream.testsource.frames import SLIDES, read_barcode
from rtstream.testsource.live import LiveSource

__all__ = ["SLIDES", "ClipSpec", "Faults", "LiveSource", "make_clip", "read_barcode", "read_sentence"]
