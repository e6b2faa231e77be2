"""Image operations on tensors: OpenCV on a CPU tensor's own memory, PyTorch on any other device."""
