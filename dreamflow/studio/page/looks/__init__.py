"""The view of looks: walls of tiles, and the channel sheet of a layer."""
