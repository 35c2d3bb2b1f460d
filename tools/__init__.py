"""Typed MCP tools, one module a family."""
