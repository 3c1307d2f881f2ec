"""`mockserver check`: reading files that hold requests, events or contracts, and judging what is in them."""
