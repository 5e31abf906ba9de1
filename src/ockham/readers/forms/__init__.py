"""What tools write: a small file per family, and one table of all, which the documentation is made from."""
