"""Make the files that serve a model, each step checked for parity."""
