"""Vision, speech, language, embeddings: one small protocol each, providers beside it."""
