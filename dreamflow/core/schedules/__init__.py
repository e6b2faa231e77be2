"""Settings over time: timecodes, keyframes, arithmetic."""
