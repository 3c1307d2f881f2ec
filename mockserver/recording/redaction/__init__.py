"""Hiding what a recording must not hold: secrets and personal data, found, and replaced by pseudonyms."""
