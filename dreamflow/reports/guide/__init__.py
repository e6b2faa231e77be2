"""The guide to a network's layers: a folder of pictures, and the web page that shows them."""
