"""Words for people: spellings, near misses, numbers and paths as text."""
