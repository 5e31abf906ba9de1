"""Nothing leaves the machine: switches, jail, evidence."""
