"""The worker process: open a source, record, sample frames, decode audio."""
