"""Source pictures in their own depth, and what a dream adds to them."""
