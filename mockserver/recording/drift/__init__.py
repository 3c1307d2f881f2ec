"""How two recordings differ in what was meant: what belongs together, the differences, and the report of them."""
