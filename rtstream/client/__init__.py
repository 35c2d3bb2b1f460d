"""The RTStream API as a Python client: HTTP calls and the WebSocket feed with resume."""
