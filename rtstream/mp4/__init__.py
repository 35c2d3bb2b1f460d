"""The MP4 format: fragments, sample tables, the moov box and progressive files."""
