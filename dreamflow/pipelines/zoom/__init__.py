"""An endless zoom: a camera that moves into a dream, which is dreamed on as it comes nearer."""
