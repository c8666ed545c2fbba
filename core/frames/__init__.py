"""Pictures that come in: images, and frames read from a video."""
