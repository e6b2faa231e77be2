"""A matte that is painted over the picture."""
