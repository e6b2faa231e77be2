"""Looks: their settings as a page offers them, the wall, variations and favourites."""
