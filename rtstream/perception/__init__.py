"""Vision, speech, language and embeddings: one protocol per modality, with its providers."""
