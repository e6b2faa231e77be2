"""Opening and writing files: which may be opened, and writing them whole or not at all."""
