"""The commands, one file each; every file declares a `COMMAND` (see `cli/registry.py`)."""
