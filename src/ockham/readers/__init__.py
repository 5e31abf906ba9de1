"""Files and tables in; rows, examples and documents out."""
