"""Code shared by all models of a provider, built on pydantic-ai, which is imported at the first call."""
