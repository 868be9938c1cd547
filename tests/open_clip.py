"""SD 2 and SDXL in miniature, under the names that the original code gives their tensors."""

from __future__ import annotations

from tests.toy import Shapes, clip_shapes, layer, norm, under, unet_shapes, vae_shapes

UNET, VAE = "model.diffusion_model.", "first_stage_model."
CLIP_L, CLIP_G = "conditioner.embedders.0.transformer.text_model.", "conditioner.embedders.1.model."


def open_clip_shapes(*, width: int, layers: int, projection: int) -> Shapes:
    """OpenCLIP's text transformer: query, key and value in one matrix, the projection from the other side."""
    shapes: Shapes = {
        "token_embedding.weight": (49408, width),
        "positional_embedding": (77, width),
        "text_projection": (width, projection),
    }
    for number in range(layers):
        block = f"transformer.resblocks.{number}"
        shapes |= {f"{block}.attn.in_proj_weight": (3 * width, width), f"{block}.attn.in_proj_bias": (3 * width,)}
        shapes |= layer(f"{block}.attn.out_proj", width, width)
        shapes |= layer(f"{block}.mlp.c_fc", width * 4, width) | layer(f"{block}.mlp.c_proj", width, width * 4)
        shapes |= norm(f"{block}.ln_1", width) | norm(f"{block}.ln_2", width)
    return shapes | norm("ln_final", width)


def sd2_shapes(*, inputs: int = 4) -> Shapes:
    """SD 2 with thin layers: text width 64, three layers."""
    unet = unet_shapes(
        widths=(64, 64, 128, 128),
        attended=(True, True, True, False),
        blocks=2,
        context=64,
        inputs=inputs,
        linear=True,
    )
    text = open_clip_shapes(width=64, layers=3, projection=64)
    return {**under(UNET, unet), **under(VAE, thin_vae()), **under("cond_stage_model.model.", text)}


def sdxl_shapes(*, inputs: int = 4) -> Shapes:
    """SDXL with thin layers: no attention at the finest level, two transformer layers at the coarsest."""
    unet = unet_shapes(
        widths=(64, 64, 128), attended=(False, True, True), blocks=2, context=192, inputs=inputs, linear=True
    )
    unet |= _second_layers(unet, ("input_blocks.7.", "input_blocks.8.", "middle_block.", *_coarsest_up()))
    unet |= layer("label_emb.0.0", 256, 128 + 6 * 256) | layer("label_emb.0.2", 256, 256)
    return {
        **under(UNET, unet),
        **under(VAE, thin_vae()),
        **under(CLIP_L, clip_shapes(width=64, layers=3)),
        **under(CLIP_G, open_clip_shapes(width=128, layers=3, projection=128)),
    }


def refiner_shapes() -> Shapes:
    """SDXL's refiner with thin layers: OpenCLIP alone, and five sizes."""
    unet = unet_shapes(
        widths=(64, 64, 128, 128), attended=(False, True, True, False), blocks=2, context=128, linear=True
    )
    unet |= layer("label_emb.0.0", 256, 128 + 5 * 256) | layer("label_emb.0.2", 256, 256)
    text = open_clip_shapes(width=128, layers=3, projection=128)
    return {**under(UNET, unet), **under(VAE, thin_vae()), **under("conditioner.embedders.0.model.", text)}


def thin_vae() -> Shapes:
    return vae_shapes(widths=(32, 32, 64, 64), blocks=1)


def _coarsest_up() -> tuple[str, ...]:
    return tuple(f"output_blocks.{number}." for number in range(3))


def _second_layers(shapes: Shapes, blocks: tuple[str, ...]) -> Shapes:
    """A second transformer layer like the first, in these blocks."""
    first = {
        name: shape for name, shape in shapes.items() if name.startswith(blocks) and ".transformer_blocks.0." in name
    }
    return {name.replace(".transformer_blocks.0.", ".transformer_blocks.1."): shape for name, shape in first.items()}
