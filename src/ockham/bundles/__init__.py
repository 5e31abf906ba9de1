"""What is done with a bundle: predict, evaluate, export."""
