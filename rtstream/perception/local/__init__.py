"""The embedded default: what can be said of pictures, speech and text without a model server, and nothing more."""
