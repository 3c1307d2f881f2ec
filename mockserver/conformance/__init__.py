"""Conformance of clients: the rules of a protocol, judged on traffic alone, of a session or of a recording."""
