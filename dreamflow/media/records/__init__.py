"""The record of how an output was made, kept in the file and beside it."""
