"""Single still pictures: reading them as RGB and alpha, and writing them."""
