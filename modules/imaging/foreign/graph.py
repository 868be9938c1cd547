"""ComfyUI's graphs: nodes by id, their inputs values or links to other nodes. Reading follows the links upstream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from .translation import mapping, words

MOST_NODES: Final = 2000
MOST_INPUTS: Final = 100
MOST_LINKS: Final = 100_000
FARTHEST: Final = 500  # nodes that are looked at behind one
NEAR: Final = 20  # nodes in which a value is looked for
# Of nodes saved as they stand on ComfyUI's canvas: the names of their widgets' values, in their order.
_WIDGETS: Final = {
    "KSampler": ("seed", "", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "KSamplerAdvanced": (
        *("add_noise", "noise_seed", "", "steps", "cfg", "sampler_name", "scheduler"),
        *("start_at_step", "end_at_step", "return_with_leftover_noise"),
    ),
    "KSamplerSelect": ("sampler_name",),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "RandomNoise": ("noise_seed", ""),
    "CFGGuider": ("cfg",),
    "SamplerCustom": ("add_noise", "noise_seed", "", "cfg"),
    "CLIPTextEncode": ("text",),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "CheckpointLoader": ("config_name", "ckpt_name"),
    "UNETLoader": ("unet_name",),
    "VAELoader": ("vae_name",),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
    "CLIPSetLastLayer": ("stop_at_clip_layer",),
    "EmptyLatentImage": ("width", "height", "batch_size"),
    "LatentUpscale": ("upscale_method", "width", "height", "crop"),
    "LatentUpscaleBy": ("upscale_method", "scale_by"),
    "LoadImage": ("image",),
    "RescaleCFG": ("multiplier",),
    "PerturbedAttentionGuidance": ("scale",),
    "PrimitiveNode": ("value",),
}


@dataclass(frozen=True)
class Node:
    """One node: its kind, and its inputs, values or `[id, output]` for links."""

    id: str
    kind: str
    inputs: Mapping[str, Any]


class Graph:
    """Nodes by id. Links may lead nowhere or in circles; walking upstream ends all the same, and after MOST_LINKS
    followed links none leads anywhere: no file costs more than a fraction of a second.
    """

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self.nodes = nodes
        self._links_left = MOST_LINKS

    def behind(self, node: Node | None, name: str) -> Node | None:
        """The node that an input comes from; None when it is a value, or absent. Reroutes are passed through."""
        for _ in range(NEAR):
            self._links_left -= 1
            if self._links_left < 0:
                return None
            link = node.inputs.get(name) if node else None
            node = self.nodes.get(str(link[0])) if _is_link(link) else None
            if node is None or node.kind != "Reroute":
                return node
            name = next(iter(node.inputs), "")
        return None

    def upstream(self, node: Node | None) -> Iterator[Node]:
        """All nodes that a node depends on, nearest first, itself included, each once."""
        waiting, seen = [node] if node else [], set()
        while waiting and len(seen) < FARTHEST:
            at = waiting.pop(0)
            if at.id in seen:
                continue
            seen.add(at.id)
            yield at
            waiting += [found for name in at.inputs if (found := self.behind(at, name))]

    def value(self, node: Node | None, name: str) -> Any:
        """The number or text of an input, looked for in the nodes that it comes from; None when there is none."""
        held = node.inputs.get(name) if node else None
        if not _is_link(held):
            return held
        for source in islice(self.upstream(self.behind(node, name)), NEAR):
            own = [value for value in source.inputs.values() if isinstance(value, int | float | str) and value != ""]
            if own:
                texts = [value for value in own if isinstance(value, str)]
                return " ".join(texts) if isinstance(own[0], str) else own[0]
        return None


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str | int)


def graph_of(prompt: Any, workflow: Any) -> Graph | None:
    """The graph that was run (`prompt`), else the one on the canvas (`workflow`); None when neither is one."""
    nodes = {}
    for name, node in islice(mapping(prompt).items(), MOST_NODES):
        kind, inputs = words(mapping(node).get("class_type")), mapping(mapping(node).get("inputs"))
        if kind:
            nodes[str(name)] = Node(str(name), kind, dict(islice(inputs.items(), MOST_INPUTS)))
    return Graph(nodes) if nodes else _from_canvas(mapping(workflow))


def _from_canvas(workflow: Mapping[str, Any]) -> Graph | None:
    """Nodes with lists of widgets' values, and links in a list of their own: [id, from, output, to, input, type]."""
    listed, links = workflow.get("nodes"), workflow.get("links")
    if not isinstance(listed, list) or not isinstance(links, list):
        return None
    origin = {link[0]: [str(link[1]), 0] for link in links if isinstance(link, list) and len(link) > 3 and _plain(link)}
    nodes = {}
    for node in map(mapping, listed[:MOST_NODES]):
        name, kind = str(node.get("id")), words(node.get("type"))
        values, inputs = node.get("widgets_values"), node.get("inputs")
        named = dict(zip(_WIDGETS.get(kind, ()), values, strict=False)) if isinstance(values, list) else {}
        for one in map(mapping, inputs[:MOST_INPUTS] if isinstance(inputs, list) else ()):
            if isinstance(one.get("link"), int) and one["link"] in origin:
                named[words(one.get("name"))] = origin[one["link"]]
        if kind and node.get("mode") not in (2, 4):  # muted, bypassed
            nodes[name] = Node(name, kind, named)
    return Graph(nodes) if nodes else None


def _plain(link: list[Any]) -> bool:
    return all(isinstance(part, int | str) for part in link[:2])
