"""The operators that take most of a pass, each with a plain PyTorch fallback."""
