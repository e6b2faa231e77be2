"""What the work runs on: device, threads, memory."""
