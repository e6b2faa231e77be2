"""Decoders of still pictures, one for each library or format."""
