"""Learning a contract patch from recordings."""
