"""ComfyUI's list of extra model folders."""

import pytest

from modules.catalog.comfyui import extra_folders
from modules.core.errors import UserError


def test_folders_below_the_base_and_elsewhere_are_found_by_kind(tmp_path):
    models = tmp_path / "a1111" / "models"
    for folder in (models / "Stable-diffusion", models / "Lora", models / "LyCORIS"):
        folder.mkdir(parents=True)
    for name in ("comfy/models/vae", "far", "flux", "words"):
        (tmp_path / name).mkdir(parents=True)
    file = tmp_path / "comfy" / "extra_model_paths.yaml"
    file.write_text(
        "a111:\n    base_path: ../a1111\n    checkpoints: models/Stable-diffusion\n    configs: models\n"
        "    loras: |\n         models/Lora\n         models/LyCORIS\n    vae: models/VAE\n"
        f"comfyui:\n    base_path: {tmp_path}/comfy/\n    is_default: true\n    vae: models/vae/\n"
        f"    checkpoints: {tmp_path}/far\n    unet: {tmp_path}/flux\n    clip: {tmp_path}/words\n#other:\n"
    )
    found = {kind: [folder.resolve() for folder in folders] for kind, folders in extra_folders(file).items()}
    assert found == {
        "checkpoint": [tmp_path / "a1111/models/Stable-diffusion", tmp_path / "far", tmp_path / "flux"],
        "text encoder": [tmp_path / "words"],
        "VAE": [tmp_path / "comfy/models/vae"],
        "LoRA": [tmp_path / "a1111/models/Lora", tmp_path / "a1111/models/LyCORIS"],
        "embedding": [],
    }


@pytest.mark.parametrize("text", ["a: [", "!!python/object/apply:os.system [x]"])
def test_a_file_that_is_no_such_list_is_refused_by_name(tmp_path, text):
    file = tmp_path / "extra_model_paths.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=r"extra_model_paths\.yaml is not a list of folders"):
        extra_folders(file)


def test_a_missing_file_is_refused_and_an_empty_one_names_nothing(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        extra_folders(tmp_path / "gone.yaml")
    (tmp_path / "empty.yaml").touch()
    assert not any(extra_folders(tmp_path / "empty.yaml").values())
