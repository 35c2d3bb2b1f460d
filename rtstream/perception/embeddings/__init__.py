"""Embedding providers: the built-in MiniLM and compatible servers."""
