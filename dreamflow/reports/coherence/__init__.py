"""How coherent a dream is: warping error, intensity, sharpness, drift, and their plots."""
