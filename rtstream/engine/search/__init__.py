"""Search over everything that was seen, said and alerted."""
