"""MCP resources and prompts: the catalogue, the live channels, and their subscriptions."""
