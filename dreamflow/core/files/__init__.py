"""Reading whole files and documents, bounded, and checked by a schema."""
