"""The RTStream API as routes: HTTP, WebSocket, media files, player page."""
