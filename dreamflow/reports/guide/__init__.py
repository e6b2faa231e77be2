"""The guide to the layers: a folder of pictures, and the web page that shows them."""
