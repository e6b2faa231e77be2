"""Settings: how they are declared, checked and worded."""
