"""Judge answers, and say how sure the numbers are."""
