"""The dream of one image: octaves, gradient ascent, objectives. Tensors only."""
