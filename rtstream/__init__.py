"""The RTStream system: record, describe, watch and search live streams. Knows nothing of MCP."""

import os

__version__ = "0.1.0"

# onnxruntime contacts its vendor and writes a device id as soon as it is imported. The variable must be set before,
# in every process that may import it; child processes inherit it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
