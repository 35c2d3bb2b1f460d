"""Streams: the service, the supervisor of their recorders and the events recorders report."""
