"""The films that are rendered: a queue of processes that outlive the studio."""
