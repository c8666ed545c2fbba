"""What a model hears: features of a sound, and the encoders that give them."""
