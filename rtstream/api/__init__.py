"""The RTStream API as routes for HTTP, WebSocket, media files and the player page."""
