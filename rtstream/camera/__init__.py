"""Finds cameras on the networks of this machine, and asks them for their streams."""
