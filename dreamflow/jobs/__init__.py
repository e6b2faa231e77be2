"""Jobs: a pipeline rendered to a file so that nothing is lost when the render is interrupted."""
