"""Animated GIF and WebP: frame delays that browsers keep, and the encoding."""
