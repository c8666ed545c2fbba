"""The nodes, in the order in which they stand in the menu."""

from comfy_api.latest import io

NODES: list[type[io.ComfyNode]] = []
