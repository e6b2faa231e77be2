"""What the page fetches and sends besides its own messages: pictures, sound, films, mattes."""

from __future__ import annotations

from pathlib import Path

from fastapi import Request, Response
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse
from nicegui import app as nicegui_app

from dreamflow.core.errors import DreamFlowError, MediaError
from dreamflow.core.text.path_text import path_from_text
from dreamflow.studio.curves.sound import draw_sound
from dreamflow.studio.files.mattes import MAX_MATTE_BYTES, find_painting_size, render_matte
from dreamflow.studio.films.queue_document import DONE
from dreamflow.studio.project import describe_error
from dreamflow.studio.studio import Studio

KEPT_FOR_A_DAY = {"cache-control": "private, max-age=86400, immutable"}
NOT_KEPT = {"cache-control": "no-store"}


def add_routes(studio: Studio) -> None:
    """Add all of them."""
    _add_pictures(studio)
    _add_mattes(studio)
    _add_films(studio)


def _add_pictures(studio: Studio) -> None:
    @nicegui_app.get("/pictures/{key}")
    def get_picture(key: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        found = studio.pictures.get(key)
        if found is None:
            return Response(status_code=404)
        image, media_type = found
        return Response(image, media_type=media_type, headers=KEPT_FOR_A_DAY)

    @nicegui_app.get("/sound/{key}")
    def get_sound(key: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        timeline, heard = studio.sound.timeline, studio.sound.heard
        if timeline is None or heard is None:
            return Response(status_code=404)
        return JSONResponse(draw_sound(heard, timeline), headers=NOT_KEPT)


def _add_mattes(studio: Studio) -> None:
    """Add the look's matte as a picture to be painted on, and the way back."""

    @nicegui_app.get("/mattes/{key}")
    def get_matte(key: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        source, matte = studio.project.source, studio.matte
        if source is None or matte is None or matte.name != key:
            return Response(status_code=404)
        try:
            size = find_painting_size(source.width, source.height)
            return Response(render_matte(matte, *size), media_type="image/png", headers=NOT_KEPT)
        except MediaError:  # a film: painting begins anew
            return Response(status_code=404)

    @nicegui_app.post("/mattes")
    async def take_matte(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        content = bytearray()
        async for part in request.stream():
            content += part
            if len(content) > MAX_MATTE_BYTES:
                return PlainTextResponse("this is too large for a matte", status_code=413)
        try:
            return JSONResponse({"name": studio.take_painting(bytes(content)).name})
        except DreamFlowError as error:
            return PlainTextResponse(describe_error(error), status_code=400)


def _add_films(studio: Studio) -> None:
    @nicegui_app.get("/strip/{key}/{name}")
    def get_strip(key: str, name: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        path = studio.strips.find(key, name)
        if path is None or not path.is_file():
            return Response(status_code=404)
        return FileResponse(path, headers={"cache-control": "private, max-age=3600"})

    @nicegui_app.get("/heard/{name}")
    def get_heard(name: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        path = studio.sound.played
        is_open = path is not None and path.name == name and studio.folders.holds(path)
        return _send_file(path if is_open else None)

    @nicegui_app.get("/latest/{key}")
    def get_latest(key: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        keys = {render.key for render in studio.queue.renders}
        return _send_file(studio.queue.latest_path(key) if key in keys else None)

    @nicegui_app.get("/films/{key}")
    def get_film(key: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        done = {r.key: path_from_text(r.out) for r in studio.queue.renders if r.state == DONE}
        path = done.get(key)
        return _send_file(path if path is not None and studio.folders.holds(path) else None)


def _send_file(path: Path | None) -> Response:
    if path is None or not path.is_file():
        return Response(status_code=404)
    return FileResponse(path, headers={"cache-control": "no-cache"})
