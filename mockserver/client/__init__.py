"""What a test holds in its hands: sessions over HTTP, a server in this process, reports. Knows no server state."""
