"""Front-end files under `/<service>/static`, addressed with a hash of their content and cached for a year."""

import hashlib
import mimetypes
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

IMMUTABLE = "public, max-age=31536000, immutable"


class Static:
    """The front-end files of one service: this package's, the service's own, and those that set-up fetched.

    `static_dir` holds `vendor/` with the files from npm. A missing one leaves pages that work without it.
    """

    def __init__(self, service: str, package: str, static_dir: Path) -> None:
        self.prefix = f"/{service}/static"
        self.folders: Sequence[Path] = (
            Path(str(files("polku_web"))) / "static",
            Path(str(files(package))) / "static",
            static_dir,
        )

    @cached_property
    def index(self) -> Mapping[str, Path]:
        """Every file by its relative address. Only what is listed is served, so no path can climb out."""
        return {
            path.relative_to(folder).as_posix(): path
            for folder in self.folders
            if folder.is_dir()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    @cached_property
    def hashes(self) -> dict[str, str]:
        return {}

    def url(self, name: str) -> str:
        """`url("polku.css")` → `/referral/static/polku.css?v=1f3a…`."""
        return f"{self.prefix}/{name}?v={self._hash(name)}"

    def has(self, name: str) -> bool:
        return name in self.index

    def _hash(self, name: str) -> str:
        if name not in self.hashes:
            path = self.index.get(name)
            content = path.read_bytes() if path else b""
            self.hashes[name] = hashlib.sha256(content).hexdigest()[:12]
        return self.hashes[name]

    def router(self) -> APIRouter:
        router = APIRouter(include_in_schema=False)

        @router.get(self.prefix + "/{name:path}")
        async def static_file(name: str, request: Request) -> Response:
            path = self.index.get(name)
            if path is None:
                raise HTTPException(404)
            fresh = request.query_params.get("v") == self._hash(name)
            media = mimetypes.guess_type(name)[0] or "application/octet-stream"
            cache = IMMUTABLE if fresh else "public, max-age=300"
            return FileResponse(path, media_type=media, headers={"cache-control": cache})

        return router
