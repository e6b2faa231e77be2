"""How hard each frame and each part of it is dreamed: the controller and its gains."""
