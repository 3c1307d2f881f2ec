"""The contract language: reading, checking and compiling contracts into frozen, typed values, and publishing them."""
