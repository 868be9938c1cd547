"""AUTOMATIC1111's module names stay free: its extensions will import them from `modules`, our own code never does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checks.source import MODULES, imports, sources

# The names directly under `modules/` in AUTOMATIC1111 1.10.
NAMES = """
api cache call_queue cmd_args codeformer_model config_states dat_model deepbooru deepbooru_model devices errors
esrgan_model extensions extra_networks extra_networks_hypernet extras face_restoration face_restoration_utils
fifo_lock gfpgan_model gitpython_hack gradio_extensons hashes hat_model headless hypernetworks images img2img
import_hook infotext_utils infotext_versions initialize initialize_util interrogate launch_utils localization
logging_config lowvram mac_specific masking memmon modelloader models ngrok npu_specific options patches paths
paths_internal postprocessing processing profiling progress prompt_parser realesrgan_model restart rng rng_philox
safe script_callbacks script_loading scripts scripts_auto_postprocessing scripts_postprocessing
sd_disable_initialization sd_emphasis sd_hijack sd_hijack_checkpoint sd_hijack_clip sd_hijack_clip_old
sd_hijack_ip2p sd_hijack_open_clip sd_hijack_optimizations sd_hijack_unet sd_hijack_utils sd_hijack_xlmr sd_models
sd_models_config sd_models_types sd_models_xl sd_samplers sd_samplers_cfg_denoiser sd_samplers_common
sd_samplers_compvis sd_samplers_extra sd_samplers_kdiffusion sd_samplers_lcm sd_samplers_timesteps
sd_samplers_timesteps_impl sd_schedulers sd_unet sd_vae sd_vae_approx sd_vae_taesd shared shared_cmd_options
shared_gradio_themes shared_init shared_items shared_options shared_state shared_total_tqdm styles
sub_quadratic_attention sysinfo textual_inversion timer torch_utils txt2img ui ui_checkpoint_merger ui_common
ui_components ui_extensions ui_extra_networks ui_extra_networks_checkpoints
ui_extra_networks_checkpoints_user_metadata ui_extra_networks_hypernets ui_extra_networks_textual_inversion
ui_extra_networks_user_metadata ui_gradio_extensions ui_loadsave ui_postprocessing ui_prompt_styles ui_settings
ui_tempdir ui_toprow upscaler upscaler_utils util xlmr xlmr_m18 xpu_specific
"""
TAKEN = frozenset(NAMES.split())


def test_none_of_our_names_is_one_of_theirs() -> None:
    ours = {path.stem for path in MODULES.iterdir() if not path.name.startswith("_")}
    assert len(ours) > 10
    assert ours & TAKEN == set()


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(MODULES)))
def test_nothing_of_ours_imports_one_of_theirs(path: Path) -> None:
    if path.is_relative_to(MODULES / "a1111"):
        pytest.skip("the drawer itself")
    theirs = [name for name, _ in imports(path, sources()[path]) if name.startswith("modules.")]
    assert [name for name in theirs if name.split(".")[1] in TAKEN] == []
