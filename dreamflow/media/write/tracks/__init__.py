"""All tracks of a film in one file: picture, sound, subtitles, chapters and tags."""
