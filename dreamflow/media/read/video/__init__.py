"""Reading video files: facts, packets, decoders."""
