"""A page on which two films or pictures are compared."""
