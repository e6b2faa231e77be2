"""How the scene moves between two frames: flow, the camera, what moves by itself."""
