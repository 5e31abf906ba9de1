"""What extracting without a language model is made of: words, their features, tags, and the values that follow."""
