"""What one session holds: clock, claims, faults, exchanges, and what is derived from them: views, ledger, matches."""
