"""Private sockets, locks and handshakes between the engine and the processes that outlive it (Linux)."""
