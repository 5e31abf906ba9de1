"""Read, clean, cluster and split examples; find the labels that look wrong."""
