"""What a sound does over time: its bands, onsets, tempo and beats."""
