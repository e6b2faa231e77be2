"""Settings: their declaration, validation and wording."""
