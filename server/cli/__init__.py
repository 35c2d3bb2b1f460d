"""The commands of ``rtstream-mcp``, one module each."""
