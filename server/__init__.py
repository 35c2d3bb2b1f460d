"""The MCP face as a running program: command line, settings, transports, auth."""
