"""Recordings and exported videos: playback, links, exports and retention."""
