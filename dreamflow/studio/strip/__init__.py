"""A source as a strip: thumbnails, shots, and a small film that plays, made in a process."""
