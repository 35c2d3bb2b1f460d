"""Code shared by the models of all providers, built on pydantic-ai, which is imported on the first call."""
