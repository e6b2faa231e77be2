"""Mattes: their files, fitting, feathering and cropping."""
