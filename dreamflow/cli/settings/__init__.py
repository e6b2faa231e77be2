"""Settings on the command line: options made of them, presets and earlier dreams, checks."""
