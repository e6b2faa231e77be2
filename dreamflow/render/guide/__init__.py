"""The guide to the layers: a folder of pictures, and the web page that shows them."""

from dreamflow.render.guide.folder import Guide, check_folder
from dreamflow.render.guide.make import check_sheet, make_guide

__all__ = ["Guide", "check_folder", "check_sheet", "make_guide"]
