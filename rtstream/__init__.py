"""The RTStream system: record, describe, watch and search live streams. Knows nothing of MCP."""

__version__ = "0.1.0"
