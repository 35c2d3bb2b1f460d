"""Vision, speech, language and embeddings. Each modality has one protocol and several providers."""
