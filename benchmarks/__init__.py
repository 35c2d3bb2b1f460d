"""Measurements beside real peers; see README.md in this folder."""
