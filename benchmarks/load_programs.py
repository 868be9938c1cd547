"""What each process of `load_checkpoint` runs: `python -c PROGRAM FILE CONFIGS DTYPE FLAG ...`; it ends with JSON."""

from __future__ import annotations

from . import comfyui

# Before the clock starts everything is imported, as much memory as anybody takes was in use once (a virtual machine may
# have lent it to others: then the first to want it back would wait), and the file is in the page cache. Ready means:
# what gives the networks has returned. Afterwards one number of every page of every parameter is read, so that what was
# put off shows.
PROBE = """
import json, sys, time
from pathlib import Path
import torch
path, configs, dtype, flags = Path(sys.argv[1]), sys.argv[2], getattr(torch, sys.argv[3]), sys.argv[4:]
{imports}
def status(key):
    return int(next(line for line in open("/proc/self/status") if line.startswith(key)).split()[1]) * 1024
torch.ones(5 << 28)
with path.open("rb", buffering=0) as file:
    buffer = bytearray(1 << 22)
    while file.readinto(buffer):
        pass
Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
before, began, busy = status("VmRSS"), time.perf_counter(), time.process_time()
{load}
seconds, busy = time.perf_counter() - began, time.process_time() - busy
parameters = list({{each.data_ptr(): each.detach() for each in {parameters}}}.values())
began = time.perf_counter()
for each in parameters:
    each.flatten()[:: 4096 // each.itemsize].sum()
touched = time.perf_counter() - began
dtypes = {{}}
for each in parameters:
    name = str(each.dtype).removeprefix("torch.")
    dtypes[name] = dtypes.get(name, 0) + each.nbytes
print(json.dumps({{"seconds": seconds, "cpu": busy, "touched": seconds + touched, "dtypes": dtypes,
    "peak": status("VmHWM") - before, "tokenizer": {tokenizer}}}))
"""

OURS = PROBE.format(
    imports="from modules.weights.load import load_checkpoint; import modules.weights.families.sd1",
    load="weights = load_checkpoint(path, dtype=dtype)",
    parameters="[*weights.unet.parameters(), *weights.text_encoder.parameters(), *weights.vae.parameters()]",
    tokenizer="0.0",
)
DIFFUSERS = PROBE.format(
    imports="from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel; "
    "from transformers import CLIPTextModel",
    load="pipeline = StableDiffusionPipeline.from_single_file(str(path), config=configs, local_files_only=True, "
    "torch_dtype=dtype, tokenizer=None, safety_checker=None, feature_extractor=None)",
    parameters="[*pipeline.unet.parameters(), *pipeline.text_encoder.parameters(), *pipeline.vae.parameters()]",
    tokenizer="0.0",
)
COMFYUI = PROBE.format(
    imports=comfyui.START
    + """
def built(kind):
    began = time.perf_counter()
    kind()
    return time.perf_counter() - began
""",
    load=comfyui.LOAD,
    parameters="[*patcher.model.parameters(), *clip.cond_stage_model.parameters(), "
    "*vae.first_stage_model.parameters()]",
    tokenizer="built(type(clip.tokenizer))",
)
CAST = PROBE.format(
    imports="from safetensors import safe_open",
    load="file = safe_open(path, framework='pt'); kept = [file.get_tensor(name).to(dtype) for name in file.keys()]",
    parameters="kept",
    tokenizer="0.0",
)
READ = PROBE.format(
    imports="",
    load="""with path.open("rb", buffering=0) as file:
    while file.readinto(buffer):
        pass""",
    parameters="[]",
    tokenizer="0.0",
)
EQUAL = """
import sys
from pathlib import Path
import torch
from diffusers import StableDiffusionPipeline
from modules.weights.load import load_checkpoint
path, configs = Path(sys.argv[1]), sys.argv[2]
torch.manual_seed(0)
latents, text, steps = torch.randn(1, 4, 16, 16), torch.randn(1, 77, 768), torch.tensor([500.0])
tokens = torch.tensor([[49406, 320, 1125, *[49407] * 74]])
def outputs(unet, vae, text_encoder):
    with torch.inference_mode():
        noise = unet(latents, steps, encoder_hidden_states=text).sample
        return noise, vae.decode(latents).sample, text_encoder(tokens).last_hidden_state
weights = load_checkpoint(path)
ours = outputs(weights.unet, weights.vae, weights.text_encoder)
del weights
pipeline = StableDiffusionPipeline.from_single_file(str(path), config=configs, local_files_only=True,
    torch_dtype=torch.float32, tokenizer=None, safety_checker=None, feature_extractor=None)
theirs = outputs(pipeline.unet, pipeline.vae, pipeline.text_encoder)
print(*(f"{float((a - b).abs().max()):.1e}/{float(b.std()):.2f}" for a, b in zip(ours, theirs)))
"""
