"""What the tensors of a checkpoint are for, told by their names in the original layout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

UNET, EMA = "model.diffusion_model.", "model_ema."
TEXTS = ("cond_stage_model.", "conditioner.", "text_encoders.")
VAES = ("first_stage_model.", "vae.")
VAE_PARTS = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.", "bn.")
# Outside of the networks, what a model cannot do without: depth2img's eye, and what trainers say without words.
ALSO_NEEDED = ("depth_model.", "v_pred", "ztsnr", "edm_mean", "edm_std", "edm_vpred.")
# Files made with transformers before 4.0 lack a level in the names of the text encoder.
OLD_TEXT, TEXT = "cond_stage_model.transformer.", "cond_stage_model.transformer.text_model."
OLD_TEXT_PARTS = ("embeddings.", "encoder.", "final_layer_norm.")

EMBEDDING, OLD_EMBEDDING = "emb_params", "string_to_param."
UPSCALER_TABLES = ("params_ema.", "params-ema.", "params.")


def part_of(name: str) -> str:
    """Which network a tensor belongs to: "unet", "text", "vae", its smoothed twin "ema", or "" for none."""
    if name.startswith(UNET):
        return "unet"
    if name.startswith(EMA):
        return "ema"
    if name.startswith(TEXTS):
        return "text"
    return "vae" if _in_vae(name) else ""


def is_needed(name: str) -> bool:
    """Whether painting needs the tensor: not the training's schedule, losses, optimizer or smoothed twin."""
    return part_of(name) in ("unet", "text", "vae") or name.startswith(ALSO_NEEDED)


def ema_twins(names: Iterable[str]) -> dict[str, str]:
    """For each tensor of the UNet the name of its smoothed twin, where the file has it."""
    known = set(names)
    return {name: twin for name in known if name.startswith(UNET) and (twin := twin_of(name)) in known}


def twin_of(name: str) -> str:
    """The name that the smoothed twin of one of the UNet's tensors has."""
    return EMA + name.removeprefix("model.").replace(".", "")


def vae_tensors(names: Iterable[str]) -> dict[str, str]:
    """The VAE's tensors, of a checkpoint or of a file of its own: by the names that they have in the latter."""
    known = list(names)
    inside = {name: name.removeprefix(prefix) for prefix in VAES for name in known if name.startswith(prefix)}
    inside = inside or {name: name for name in known}
    return {bare: name for name, bare in inside.items() if bare.startswith(VAE_PARTS)}


def usual_names(names: Iterable[str], kind: str) -> dict[str, str]:
    """The names that a file of another kind than a checkpoint has as safetensors, with those in the file: pickled
    embeddings and upscalers keep their tensors in tables, of which the former lose their names and the latter their
    prefix.
    """
    known = list(names)
    if kind == "embedding":
        return {EMBEDDING if name.startswith(OLD_EMBEDDING) else name: name for name in known}
    prefix = next((one for one in UPSCALER_TABLES if all(name.startswith(one) for name in known)), "")
    return {name.removeprefix(prefix): name for name in known}


def same_everywhere(name: str) -> str:
    """The name that a tensor has in files of any age."""
    rest = name.removeprefix(OLD_TEXT)
    return TEXT + rest if rest != name and rest.startswith(OLD_TEXT_PARTS) else name


def by_any_name(names: Iterable[str]) -> Mapping[str, str]:
    """A file's names by those that they have everywhere."""
    return {same_everywhere(name): name for name in names}


def _in_vae(name: str) -> bool:
    return any(name.startswith(prefix) and name[len(prefix) :].startswith(VAE_PARTS) for prefix in VAES)
