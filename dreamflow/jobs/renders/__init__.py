"""What each kind of render does: a clip, a sweep or a zoom, dreamed into a file."""
