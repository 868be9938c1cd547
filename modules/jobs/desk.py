"""What people bring to paint on: pictures, masks, and the part of a picture that a request would paint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.hooks import Hooks
from ..core.request import GenerationRequest
from ..imaging.masks import Rectangle
from ..imaging.scene import painted_part
from .database import Database
from .history import History
from .inputs import InputPicture, InputPictures
from .masks import made_mask, offered_masks
from .queue import NotFound
from .starting import started
from .tidying import Tidying


class InputDesk:
    """Takes pictures into the store of inputs, from files and from the history, and makes masks of them. Whenever some
    are brought, but at most once a day, those that nothing needs any more are dropped.
    """

    def __init__(self, store: InputPictures, history: History, hooks: Hooks, database: Database) -> None:
        self.store, self._history, self._hooks = store, history, hooks
        self.tidying = Tidying(store, database)

    def close(self, seconds: float = 10.0) -> None:
        """Waits for what is being tidied up."""
        self.tidying.close(seconds)

    def add(self, content: bytes) -> InputPicture:
        """Stores a picture to start from, or a mask. Raises UserError when it is none."""
        self.tidying.begin()
        return self.store.add(content)

    def from_history(self, picture: int) -> InputPicture:
        """Stores a picture of the history to start from. Raises NotFound."""
        return self.store.add(self.file_of(picture))

    def file_of(self, picture: int) -> bytes:
        """The file of a picture of the history. Raises NotFound."""
        record = self._history.get(picture)
        try:
            return record.path.read_bytes()
        except OSError as error:
            raise NotFound(f"The file {record.path} is gone.", hint="It was moved or deleted.") from error

    def get(self, picture_id: str) -> InputPicture:
        """A stored picture to start from. Raises NotFound."""
        return self.store.get(picture_id)

    def masks(self) -> list[str]:
        """The names of the automatic masks that extensions offer."""
        return list(offered_masks(self._hooks))

    def make_mask(self, name: str, picture_id: str) -> InputPicture:
        """Stores the automatic mask `name` of a stored picture. Raises NotFound, and UserError when it fails."""
        return self.store.add_pixels(made_mask(name, self.store.pixels(picture_id), self._hooks))

    def painted_part(self, values: Mapping[str, Any]) -> tuple[Rectangle, Rectangle]:
        """The part of its picture that a request paints, and the picture with what is added to it. Raises UserError."""
        request = started(GenerationRequest.checked(values), self.store, "inpaint")
        picture = self.store.get(request.init_image)
        mask = self.store.pixels(request.mask) if request.mask else None
        return painted_part(picture.width, picture.height, mask, request)
