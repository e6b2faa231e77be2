"""Weights files: where they are published, where they are cached, how they are fetched and read."""
