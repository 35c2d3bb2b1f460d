"""Models of any provider behind the perception protocols, through pydantic-ai, which is loaded at the first call."""
