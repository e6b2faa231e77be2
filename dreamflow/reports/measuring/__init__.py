"""A dream measured against its source, with what it records of how it was made."""
