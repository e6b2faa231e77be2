"""Files of a job on the disk: its folder, its state, and how its output is published."""
