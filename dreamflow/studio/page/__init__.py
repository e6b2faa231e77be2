"""The studio's page, in NiceGUI. Nothing but this room imports it."""
