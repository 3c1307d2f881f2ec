"""Recordings: exchanges as lines that can be kept, without credentials."""
