"""What of a job lies on the disk, and how it gets there whole."""
