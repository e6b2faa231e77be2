"""A pipeline rendered to a file in a way that cannot be lost."""
