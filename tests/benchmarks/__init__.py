"""Ratios, never absolute times: every number is set beside the barest aiohttp handler, measured in the same run.

`python -m tests.benchmarks --help` says what can be measured.
"""
