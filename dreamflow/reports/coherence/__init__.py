"""How coherent a dream is over time: warping error, strength, sharpness, drift, and their plots."""
