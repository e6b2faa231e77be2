"""What a film's colours mean, and their way to 8-bit RGB of BT.709."""
