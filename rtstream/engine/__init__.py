"""The engine: the services that run streams, indexes, alerts, search and playback."""
