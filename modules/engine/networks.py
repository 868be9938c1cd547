"""The LoRAs and embeddings that prompts name: found, read, given to the model, and noted in its pictures' text."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..catalog.hashing import HashCache
from ..catalog.networks import SHORT, LoraShelf, plain
from ..core.errors import UserError
from ..core.events import Noticed
from ..core.files import Folders
from ..text.grammar import Tag, extra_networks
from ..text.words import Word
from ..weights.embeddings import EmbeddingShelf, Taught
from ..weights.lora.file import LoraFile, read_lora
from ..weights.lora.merge import Wanted, merge
from ..weights.tensors import identity
from .model import Model
from .run import Run

KINDS = ("lora", "lyco")
LORAS, WORDS = "Lora hashes", "TI hashes"  # where a picture's text names them
REMEMBERED = 16  # files; their tensors are mapped, so that remembering costs next to no memory


class Networks:
    """Uses what prompts name. For one thread: the engine's."""

    def __init__(self, folders: Folders, hashes: HashCache) -> None:
        self._hashes = hashes
        self._shelf = LoraShelf(folders.loras, hashes)
        self._embeddings = EmbeddingShelf(folders.embeddings)
        self._files: OrderedDict[tuple[Path, tuple[int, int]], LoraFile] = OrderedDict()
        self._told: tuple[str, set[str]] = "", set()

    def use(self, run: Run, prompts: Sequence[str], negative: Sequence[str], model: Model) -> None:
        """Has exactly the LoRAs of the first prompt in the model, as A1111 does, and the model know all embeddings.

        What is named and cannot be used is left out, and told to whoever watches the job.
        """
        if run.first_pass is None:  # each batch has its own prompts
            for note in (LORAS, WORDS):
                run.notes.pop(note, None)
        self._merge(run, prompts[0], model)
        taught = self.teach(model)
        for word in dict.fromkeys(word for text in (*prompts, *negative) for word in taught.useless.in_text(text)):
            self._tell(run, taught.reasons[word])

    def teach(self, model: Model) -> Taught:
        """Has the model know all embeddings that there are now."""
        return self._embeddings.teach(model.weights)

    def note_words(self, run: Run, words: Iterable[Word], model: Model) -> None:
        """Notes the embeddings that a prompt used, with A1111's hash: the first twelve digits of the file's SHA-256."""
        for word in words:
            path = model.weights.taught.embeddings[word].path
            _note(run, WORDS, f"{plain(word.name)}: {self._hashes.sha256(path)[:SHORT]}")

    def _merge(self, run: Run, prompt: str, model: Model) -> None:
        wanted = []
        for tag in extra_networks(prompt)[1]:
            try:
                one = self._wanted(tag)
                wanted.append(one)
                _note(run, LORAS, f"{plain(tag.args[0])}: {self._shelf.short_hash(one.file.path)}")
            except UserError as error:
                self._tell(run, f"{_written(tag)} is left out. {error}")
        for remark in merge(model.weights, wanted):
            self._tell(run, remark)

    def _wanted(self, tag: Tag) -> Wanted:
        """What a tag asks for, by A1111's rules: one number is for the text encoder and the UNet, a second one for the
        UNet, a third one is the rank; `te=`, `unet=` and `dyn=` name them. Raises UserError.
        """
        if tag.kind not in KINDS:
            raise UserError(f"There is no kind of network called {tag.kind[:40]!r} here.", hint="LoRAs can be used.")
        name, numbers = tag.args[0] if tag.args else "", tag.args[1:]
        text_encoder = _number(tag.named.get("te", numbers[0] if numbers else "1"))
        unet = _number(tag.named.get("unet", numbers[1] if len(numbers) > 1 else str(text_encoder)))
        rank = tag.named.get("dyn", numbers[2] if len(numbers) > 2 else None)
        path = self._shelf.find(name.strip())
        if path is None:
            raise UserError(f"There is no LoRA called {name[:60]!r}.", hint="LoRA files belong into models/Lora.")
        return Wanted(self._read(path), text_encoder, unet, None if rank is None else _rank(rank))

    def _read(self, path: Path) -> LoraFile:
        """The file, from memory if it is the same as before."""
        key = path, identity(path)
        if key not in self._files:
            self._files[key] = read_lora(path)
            if len(self._files) > REMEMBERED:
                self._files.popitem(last=False)
        self._files.move_to_end(key)
        return self._files[key]

    def _tell(self, run: Run, sentence: str) -> None:
        """Says something once a job."""
        if self._told[0] != run.job:
            self._told = run.job, set()
        if sentence not in self._told[1]:
            self._told[1].add(sentence)
            run.emit(Noticed(run.job, sentence))


def _note(run: Run, key: str, entry: str) -> None:
    """Adds an entry to a list in the pictures' text, once."""
    noted = run.notes.get(key, "")
    if entry not in noted.split(", "):
        run.notes[key] = f"{noted}, {entry}" if noted else entry


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise UserError(f"{text[:40]!r} is not a number.", hint="Write <lora:name:0.8>.") from error
    if not abs(value) <= 1000:
        raise UserError(f"The strength {text[:40]} is out of range.", hint="Strengths are about -2 to 2.")
    return value


def _rank(text: str) -> int:
    if not text.strip().isdecimal() or not 0 < len(text.strip()) < 6 or int(text) == 0:
        raise UserError(f"The rank {text[:40]!r} is not a whole number above 0.", hint="Write <lora:name:1:1:8>.")
    return int(text)


def _written(tag: Tag) -> str:
    """The tag about as somebody wrote it."""
    named = [f"{key}={value}" for key, value in tag.named.items()]
    return f"<{':'.join((tag.kind, *tag.args, *named))[:80]}>"
