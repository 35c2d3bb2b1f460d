"""Vision providers: the built-in one and models of any provider."""
