"""Whether and how a job that was broken off goes on: same inputs, whole pieces."""
