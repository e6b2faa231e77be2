"""The files of the studio: the folders that it may read and write, and what it keeps there."""
