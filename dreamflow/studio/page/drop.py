"""A place where files are dropped, or chosen from a dialog."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from nicegui import ui
from nicegui.events import UploadEventArguments

from dreamflow.core.errors import DreamFlowError
from dreamflow.studio.files.uploads import MAX_UPLOAD_BYTES
from dreamflow.studio.page.context import PageContext
from dreamflow.studio.project import describe_error


def drop_place(
    page: PageContext,
    label: str,
    on_file: Callable[[Path], Awaitable[None]],
    on_failure: Callable[[str], None],
) -> ui.upload:
    """Return a place for one file, which is kept in the studio's folder.

    Args:
        page: The tab.
        label: What may be dropped.
        on_file: Takes the file.
        on_failure: Takes a line on why there is none.
    """

    async def take(event: UploadEventArguments) -> None:
        try:
            place = page.studio.uploads.find_place(event.file.name)
            await event.file.save(place)
            await on_file(place)
        except DreamFlowError as error:
            on_failure(describe_error(error))
        except OSError as error:
            on_failure(f"the file cannot be kept: {error.strerror}")
        finally:
            made.reset()

    made = ui.upload(
        label=label,
        auto_upload=True,
        max_file_size=MAX_UPLOAD_BYTES,
        on_upload=take,
        on_rejected=lambda: on_failure("this file is larger than 4 GB: open it by its path"),
    )
    return made.props("flat dark").classes("drop")
