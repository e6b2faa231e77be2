"""How a dream is carried from frame to frame."""
