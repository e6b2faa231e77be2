"""Weights files: where they are published and kept, how they are fetched, read and checked."""
