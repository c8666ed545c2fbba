"""Many clips, many machines: what ``render.py`` does. Nothing of it runs inside ComfyUI, or needs PyTorch."""
