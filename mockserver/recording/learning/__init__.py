"""What recordings of a real server teach: the smallest patch of a contract with which the mock answers as that did."""
