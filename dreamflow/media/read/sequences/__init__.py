"""Pictures that are named by a folder, a glob or a pattern of numbers, read as a clip."""
