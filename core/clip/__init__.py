"""What goes out: the VIDEO, its sound, and the files they are written to."""
