"""Names and shapes of whole models, built from their published architectures: what a header says, and no weights."""

from __future__ import annotations

from tests.toy import Shapes, clip_shapes, conv, layer, norm, resnet, under, unet_shapes, vae_shapes

UNET, VAE = "model.diffusion_model.", "first_stage_model."
CLIP = "cond_stage_model.transformer.text_model."


def sd_unet(context: int, inputs: int = 4, linear: bool = False) -> Shapes:
    """SD 1's and SD 2's UNet."""
    four = {"widths": (320, 640, 1280, 1280), "attended": (True, True, True, False)}
    return under(UNET, unet_shapes(**four, blocks=2, context=context, inputs=inputs, linear=linear))


def sdxl_unet(inputs: int = 4) -> Shapes:
    """SDXL's, whose coarsest level is ten transformers deep, told the pooled text and sizes as 2,816 numbers."""
    three = {"widths": (320, 640, 1280), "attended": (False, True, True)}
    shapes = unet_shapes(**three, blocks=2, context=2048, inputs=inputs, linear=True)
    return under(UNET, {**deepened(shapes, {640: 2, 1280: 10}), **label_embedding(1280, 2816)})


def refiner_unet() -> Shapes:
    """The refiner's, with transformers four deep, told the pooled text, sizes and a score as 2,560 numbers."""
    four = {"widths": (384, 768, 1536, 1536), "attended": (False, True, True, False)}
    shapes = unet_shapes(**four, blocks=2, context=1280, linear=True)
    return under(UNET, {**deepened(shapes, {768: 4, 1536: 4}), **label_embedding(1536, 2560)})


def deepened(shapes: Shapes, layers: dict[int, int]) -> Shapes:
    """The same UNet with as many transformer layers in each block as `layers` says for its width."""
    deep: Shapes = {}
    for name, shape in shapes.items():
        block, within, _ = name.partition(".transformer_blocks.0.")
        for number in range(layers[shapes[f"{block}.norm.weight"][0]] if within else 1):
            deep[name.replace(".transformer_blocks.0.", f".transformer_blocks.{number}.")] = shape
    return deep


def label_embedding(width: int, told: int) -> Shapes:
    return layer("label_emb.0.0", width, told) | layer("label_emb.0.2", width, width)


def sd_vae() -> Shapes:
    return vae_shapes(widths=(128, 256, 512, 512), blocks=2)


def open_clip(width: int, layers: int) -> Shapes:
    shapes = {
        "token_embedding.weight": (49408, width),
        "positional_embedding": (77, width),
        "text_projection": (width, width),
    }
    for number in range(layers):
        block = f"transformer.resblocks.{number}"
        shapes |= {f"{block}.attn.in_proj_weight": (3 * width, width), f"{block}.attn.in_proj_bias": (3 * width,)}
        shapes |= layer(f"{block}.attn.out_proj", width, width) | layer(f"{block}.mlp.c_fc", 4 * width, width)
        shapes |= layer(f"{block}.mlp.c_proj", width, 4 * width)
        shapes |= norm(f"{block}.ln_1", width) | norm(f"{block}.ln_2", width)
    return shapes | norm("ln_final", width)


def sd1(inputs: int = 4) -> Shapes:
    return {**sd_unet(768, inputs), **under(VAE, sd_vae()), **under(CLIP, clip_shapes(width=768, layers=12))}


def sd2(inputs: int = 4) -> Shapes:
    text = under("cond_stage_model.model.", open_clip(1024, 24))
    return {**sd_unet(1024, inputs, linear=True), **under(VAE, sd_vae()), **text}


def sdxl(inputs: int = 4) -> Shapes:
    small = under("conditioner.embedders.0.transformer.text_model.", clip_shapes(width=768, layers=12))
    large = under("conditioner.embedders.1.model.", open_clip(1280, 32))
    return {**sdxl_unet(inputs), **under(VAE, sd_vae()), **small, **large}


def refiner() -> Shapes:
    return {**refiner_unet(), **under(VAE, sd_vae()), **under("conditioner.embedders.0.model.", open_clip(1280, 32))}


def sd3(
    *,
    blocks: int = 24,
    width: int = 1536,
    normed: bool = False,
    twice: int = 0,
    places: int = 192,
    context: int = 4096,
    pooled: int = 2048,
) -> Shapes:
    """MMDiT in Stability's layout: 3 medium as it stands; 3.5 large is 38 blocks 2,432 wide with normed attention; 3.5
    medium attends twice in its first 13 blocks, and knows 384 places each way. The last block's text is not kept.
    """
    shapes = conv("x_embedder.proj", width, 16, 2) | {"pos_embed": (1, places * places, width)}
    shapes |= layer("context_embedder", width, context) | layer("final_layer.linear", 64, width)
    shapes |= layer("final_layer.adaLN_modulation.1", 2 * width, width)
    shapes |= layer("t_embedder.mlp.0", width, 256) | layer("t_embedder.mlp.2", width, width)
    shapes |= layer("y_embedder.mlp.0", width, pooled) | layer("y_embedder.mlp.2", width, width)
    for number in range(blocks):
        for half in ("x_block", "context_block"):
            block, again = f"joint_blocks.{number}.{half}", half == "x_block" and number < twice
            kept = half == "x_block" or number < blocks - 1
            for attention in ("attn", "attn2") if again else ("attn",):
                shapes |= layer(f"{block}.{attention}.qkv", 3 * width, width)
                shapes |= layer(f"{block}.{attention}.proj", width, width) if kept else {}
                if normed:
                    shapes |= {f"{block}.{attention}.ln_{one}.weight": (64,) for one in "qk"}
            if kept:
                shapes |= layer(f"{block}.mlp.fc1", 4 * width, width) | layer(f"{block}.mlp.fc2", width, 4 * width)
            shapes |= layer(f"{block}.adaLN_modulation.1", (9 if again else 6 if kept else 2) * width, width)
    return under(UNET, shapes)


def flux(
    *,
    guided: bool = True,
    inputs: int = 64,
    width: int = 3072,
    head: int = 128,
    double: int = 19,
    single: int = 38,
    context: int = 4096,
    pooled: int = 768,
) -> Shapes:
    """FLUX in its authors' layout: 19 double and 38 single blocks. schnell is not guided."""
    shapes = layer("img_in", width, inputs) | layer("txt_in", width, context) | layer("final_layer.linear", 64, width)
    shapes |= layer("final_layer.adaLN_modulation.1", 2 * width, width)
    for told, inner in {"time_in": 256, "vector_in": pooled, **({"guidance_in": 256} if guided else {})}.items():
        shapes |= layer(f"{told}.in_layer", width, inner) | layer(f"{told}.out_layer", width, width)
    for number in range(double):
        for half in ("img", "txt"):
            block = f"double_blocks.{number}.{half}"
            shapes |= layer(f"{block}_attn.qkv", 3 * width, width) | layer(f"{block}_attn.proj", width, width)
            shapes |= {f"{block}_attn.norm.{one}_norm.scale": (head,) for one in ("query", "key")}
            shapes |= layer(f"{block}_mlp.0", 4 * width, width) | layer(f"{block}_mlp.2", width, 4 * width)
            shapes |= layer(f"{block}_mod.lin", 6 * width, width)
    for number in range(single):
        block = f"single_blocks.{number}"
        shapes |= layer(f"{block}.linear1", 7 * width, width) | layer(f"{block}.linear2", width, 5 * width)
        shapes |= {f"{block}.norm.{one}_norm.scale": (head,) for one in ("query", "key")}
        shapes |= layer(f"{block}.modulation.lin", 3 * width, width)
    return shapes


def t5(*, width: int = 4096, inner: int = 4096, wide: int = 10240, layers: int = 24, heads: int = 64) -> Shapes:
    """The encoder of T5 1.1, XXL as it stands."""
    shapes: Shapes = {"shared.weight": (32128, width), "encoder.final_layer_norm.weight": (width,)}
    for number in range(layers):
        attention, dense = (f"encoder.block.{number}.layer.{half}" for half in (0, 1))
        shapes |= {f"{attention}.SelfAttention.{one}.weight": (inner, width) for one in "qkv"}
        shapes |= {f"{attention}.SelfAttention.o.weight": (width, inner)}
        shapes |= {f"{half}.layer_norm.weight": (width,) for half in (attention, dense)}
        shapes |= {f"{dense}.DenseReluDense.wi_{one}.weight": (wide, width) for one in (0, 1)}
        shapes |= {f"{dense}.DenseReluDense.wo.weight": (width, wide)}
    shapes["encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"] = (32, heads)
    return shapes


def clip_l(*, width: int = 768, layers: int = 12) -> Shapes:
    """OpenAI's text encoder as it comes alone."""
    return under("text_model.", clip_shapes(width=width, layers=layers))


def clip_g(*, width: int = 1280, layers: int = 32) -> Shapes:
    """OpenCLIP's largest text encoder in transformers' layout, as SD 3 has it."""
    return under("text_model.", clip_shapes(width=width, layers=layers)) | {"text_projection.weight": (width, width)}


def vae_of_16() -> Shapes:
    """The VAE of SD 3 and of FLUX."""
    return vae_shapes(widths=(128, 256, 512, 512), blocks=2, latents=16)


def diffusers_unet(context: int, inputs: int = 4) -> Shapes:
    """The parts of diffusers' UNet that tell it: the first block of each kind."""
    attention = "down_blocks.0.attentions.0.transformer_blocks.0"
    return (
        conv("conv_in", 320, inputs)
        | layer("time_embedding.linear_1", 1280, 320)
        | conv("down_blocks.0.resnets.0.conv1", 320, 320)
        | {f"{attention}.attn2.to_k.weight": (320, context)}
    )


def diffusers_flux(guided: bool = True) -> Shapes:
    shapes = layer("x_embedder", 3072, 64) | layer("transformer_blocks.0.attn.add_k_proj", 3072, 3072)
    shapes |= layer("single_transformer_blocks.0.attn.to_q", 3072, 3072)
    return shapes | (layer("time_text_embed.guidance_embedder.linear_1", 3072, 256) if guided else {})


def lora_layers(rank: int = 8, context: int = 768) -> Shapes:
    """A kohya LoRA's layers of one attention block of the UNet."""
    block = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0"
    shapes: Shapes = {}
    for attention, source in (("attn1", 320), ("attn2", context)):
        for part, inputs in (("to_q", 320), ("to_k", source), ("to_v", source), ("to_out_0", 320)):
            name = f"{block}_{attention}_{part}"
            shapes |= {f"{name}.lora_down.weight": (rank, inputs), f"{name}.lora_up.weight": (320, rank)}
            shapes[f"{name}.alpha"] = ()
    return shapes


def taesd_decoder() -> Shapes:
    """The tiny decoder under its author's numbers: a convolution after the clamp, then blocks of three."""
    shapes = conv("1", 64, 4)
    for block in (3, 4, 5):
        shapes |= conv(f"{block}.conv.0", 64, 64) | conv(f"{block}.conv.2", 64, 64) | conv(f"{block}.conv.4", 64, 64)
    return shapes | conv("19", 3, 64)


def taesd_encoder() -> Shapes:
    return conv("0", 64, 3) | conv("1.conv.0", 64, 64) | conv("1.conv.2", 64, 64) | conv("14", 4, 64)


def controlnet(context: int) -> Shapes:
    """A ControlNet in its authors' layout: the hint's convolutions, and the UNet's first half."""
    half = {name: shape for name, shape in sd_unet(context).items() if ".output_blocks." not in name}
    shapes = {name.removeprefix(UNET): shape for name, shape in half.items()}
    return under("control_model.", shapes | conv("input_hint_block.0", 16, 3) | conv("zero_convs.0.0", 320, 320, 1))


def hypernetwork() -> Shapes:
    return {
        f"{width}.{pair}.linear.{number}.weight": shape
        for width in (320, 640, 768, 1280)
        for pair in (0, 1)
        for number, shape in ((0, (2 * width, width)), (1, (width, 2 * width)))
    }


def ip_adapter(context: int) -> Shapes:
    keys = {f"ip_adapter.{number}.to_{part}_ip.weight": (320, context) for number in (1, 3) for part in "kv"}
    return layer("image_proj.proj", 4 * context, 1024) | norm("image_proj.norm", context) | keys


def compact_upscaler() -> Shapes:
    """SRVGGNetCompact: convolutions and learnt slopes in turn."""
    shapes = conv("body.0", 64, 3)
    for number in range(1, 34):
        shapes |= {f"body.{number}.weight": (64,)} if number % 2 else conv(f"body.{number}", 64, 64)
    return shapes | conv("body.34", 48, 64)


def motion_module() -> Shapes:
    block = "down_blocks.0.motion_modules.0.temporal_transformer.transformer_blocks.0"
    return {f"{block}.attention_blocks.0.to_q.weight": (320, 320)}


def control_model_resnet() -> Shapes:
    return under("control_model.", resnet("input_blocks.1.0", 320, 320, 1280))
