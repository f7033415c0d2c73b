"""Decoding: one item's raw bytes in, the documents found in it out, or the reason why something could not be read."""
