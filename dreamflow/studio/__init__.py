"""The studio: a local web page on which a look is found, tuned and rendered."""
