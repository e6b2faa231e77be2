"""Decoding and encoding of videos, animated pictures and still pictures."""
