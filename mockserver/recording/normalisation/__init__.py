"""What of an exchange is other in each run: ids and times, told from the rest, numbered and put back."""
