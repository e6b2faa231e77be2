"""The settings of whole outputs: groups, presets, records, and their course over time."""
