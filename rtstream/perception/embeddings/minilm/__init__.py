"""Sentence embeddings of all-MiniLM-L6-v2 on onnxruntime, the built-in default for search by meaning."""
