"""Settings of whole outputs: their groups, presets and records, and their values over time."""
