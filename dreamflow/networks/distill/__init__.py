"""A small network trained to dream like a large one."""
