"""Pictures and measurements of networks and dreams: guide, sheets, coherence, benchmarks."""
