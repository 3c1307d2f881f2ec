"""`mockserver check`: reading files with requests, events or contracts, and judging their contents and replies."""
