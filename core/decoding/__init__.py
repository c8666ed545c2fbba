"""Latents to frames, group by group; a file for each kind of VAE."""
