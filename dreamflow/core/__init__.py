"""What every room builds on: settings, schedules, errors, frames, tensors, the machine."""
