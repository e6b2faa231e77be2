"""Conversion of any video's colours to 8-bit RGB of SDR BT.709."""
