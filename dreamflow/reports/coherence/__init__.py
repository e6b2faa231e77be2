"""How well a dream holds still, in figures and plots."""
