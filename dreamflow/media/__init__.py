"""Clips and pictures in, films and pictures out. All decoding and encoding is here."""
