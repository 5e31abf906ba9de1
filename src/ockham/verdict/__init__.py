"""Requirements and measurements in, one decision with its reasons out; pure."""
