"""Shards rendered by the machines of a Ray cluster; an extra, and only `session` imports Ray."""
