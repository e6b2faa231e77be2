"""The view that renders films, and plays and measures those that are done."""
