"""The commands of ``rtstream-mcp``, one module per command."""
