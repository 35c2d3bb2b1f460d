"""What runs: supervisor, indexers, transcriber, alerting, delivery, journal."""
