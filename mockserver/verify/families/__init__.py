"""The families of rules: each module makes the rules of one from the contract."""
