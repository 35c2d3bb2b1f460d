"""Scene indexes and audio indexes: the service and the indexes that run."""
