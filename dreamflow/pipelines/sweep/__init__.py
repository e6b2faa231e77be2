"""A sweep through the layers of a network."""
