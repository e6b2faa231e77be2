"""What a dream maximises: layers, channels, classes, the features of a reference."""
