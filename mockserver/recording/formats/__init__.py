"""Recordings in other formats, out and in: HAR archives, cassettes of vcrpy, golden cases."""
