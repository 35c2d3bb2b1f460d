"""Sentence embeddings in plain numpy: the embedded default of search by meaning."""
