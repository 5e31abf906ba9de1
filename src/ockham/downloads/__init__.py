"""Models on this machine: what can be had and from where, fetched whole or not at all, and removed."""
