"""The MCP server as a program: command line, settings, transports and authentication."""
