"""DreamFlow's nodes for ComfyUI: this folder belongs into `custom_nodes/`."""

from .dreamflow_nodes.nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
