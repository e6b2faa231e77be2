"""The pieces of an unfinished output: raw frames, encoded segments, pictures, their hashes."""
