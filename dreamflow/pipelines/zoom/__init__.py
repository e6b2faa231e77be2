"""An endless zoom into a dream."""
