"""The view that tunes a look: the picture, the time and the settings."""
