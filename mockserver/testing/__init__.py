"""What a test in Python holds in its hands: a session of a server, and typed results. Speaks HTTP; knows no server."""
