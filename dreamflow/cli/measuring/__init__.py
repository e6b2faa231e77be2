"""What `dreamflow measure` measures with, and how it shows its figures."""
