"""The commands, one file each; every file declares a `Command` (see `cli/registry.py`)."""
