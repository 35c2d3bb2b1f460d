"""The process that reads the source of one stream and records it."""
