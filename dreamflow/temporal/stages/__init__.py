"""The stages of the temporal step, each a pure function on the compute device."""
