"""Tune what answers: heads over embeddings, and the encoder below them."""
