"""How a command shows that it gets on: bars on a terminal, lines of text or of JSON elsewhere."""
