"""The folder outside the checkout where downloads are kept."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

from polku_embedded import Trouble


def cache_folder() -> Path:
    """`POLKU_CACHE`, else `~/.cache/polku`; made when missing. Raises Trouble when it cannot be written."""
    folder = Path(os.environ.get("POLKU_CACHE") or Path.home() / ".cache" / "polku")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise Trouble(f"the download folder {folder} cannot be written: {error.strerror}") from None


@contextmanager
def arriving(target: Path) -> Iterator[Path]:
    """A fresh folder beside `target` that becomes `target` when all went well, and is gone when not.

    A download that breaks in the middle leaves nothing that the next try could stumble over.
    """
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield folder
        # Another process may have been quicker; what it brought is checked like ours.
        if not target.exists():
            folder.rename(target)
    except OSError as error:
        raise Trouble(f"cannot write {target}: {error.strerror}") from None
    finally:
        rmtree(folder, ignore_errors=True)
