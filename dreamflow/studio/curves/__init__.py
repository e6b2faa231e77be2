"""Settings over time: a schedule as a curve with keyframes, and the sound behind it."""
