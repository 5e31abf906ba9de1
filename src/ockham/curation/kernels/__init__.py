"""Loops over bytes, compiled to machine code: words and their n-grams, MinHash, quality statistics."""
