"""What answers: the `Model` protocol and its backends."""
