"""Answering from a recording: which exchange fits a request, the reply as a client gets it, and how another differs."""
