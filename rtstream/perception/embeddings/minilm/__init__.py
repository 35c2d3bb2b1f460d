"""Sentence embeddings in plain numpy, the built-in default for search by meaning."""
