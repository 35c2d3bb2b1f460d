"""Code that several tools share: definition, groups, parameters and confirmation."""
