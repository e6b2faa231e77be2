"""What the command line prints: messages, tables, escaping, the log and fault reports."""
