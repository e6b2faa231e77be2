"""Pictures and figures about networks and dreams: guide, sheets, coherence, benchmarks."""
