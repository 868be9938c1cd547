"""What people paste becomes the address of a file; names and redirects that come from elsewhere are not believed."""

from __future__ import annotations

import pytest

from modules.core.errors import UserError
from modules.jobs.downloads.address import address_of
from modules.jobs.downloads.hops import authorization, check_hop
from modules.jobs.downloads.names import file_name
from modules.jobs.downloads.offered import offers

HUB = "https://huggingface.co/owner/name/resolve"
FILE = "model.safetensors"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://models.example/a/model.safetensors?key=1", "https://models.example/a/model.safetensors?key=1"),
        (" HTTPS://models.example:8443/m.ckpt#part ", "https://models.example:8443/m.ckpt"),
        ("models.example/models/m.ckpt", "https://models.example/models/m.ckpt"),
        (f"https://huggingface.co/owner/name/blob/main/{FILE}", f"{HUB}/main/{FILE}"),
        (f"https://huggingface.co/owner/name/resolve/main/sub/{FILE}?download=true", f"{HUB}/main/sub/{FILE}"),
        (f"huggingface.co/owner/name/blob/v2/{FILE}", f"{HUB}/v2/{FILE}"),
        (f"hf:owner/name/{FILE}", f"{HUB}/main/{FILE}"),
        (f"owner/name/sub folder/{FILE}@refs/pr/3".replace(" ", "_"), f"{HUB}/refs%2Fpr%2F3/sub_folder/{FILE}"),
        (
            "https://civitai.com/api/download/models/17?type=Model",
            "https://civitai.com/api/download/models/17?type=Model",
        ),
        ("https://civitai.com/models/5/some-name?modelVersionId=17", "https://civitai.com/api/download/models/17"),
    ],
)
def test_an_address_becomes_that_of_the_file(text: str, address: str) -> None:
    assert address_of(text) == address


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no address"),
        ("two words", "no address"),
        ("file:///etc/passwd", "not file"),
        ("ftp://models.example/m.ckpt", "not ftp"),
        ("javascript:alert(1)", "not javascript"),
        ("https://me:secret@models.example/m.ckpt", "user name"),
        ("https:///m.ckpt", "no server"),
        ("https://[::1/m.ckpt", "no address"),
        ("owner/name", "names no file"),
        ("hf:owner/../../m.ckpt", "names no file"),
        ("https://huggingface.co/owner/name", "page of a model"),
        ("https://civitai.com/models/5", "which version"),
    ],
)
def test_what_is_no_file_is_said_with_what_to_do(text: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as refusal:
        address_of(text)
    assert refusal.value.hint


@pytest.mark.parametrize(
    ("disposition", "url", "name"),
    [
        ('attachment; filename="a b.safetensors"', "https://x.example/1", "a b.safetensors"),
        ("attachment; filename*=UTF-8''na%C3%AFve.ckpt; filename=\"x.ckpt\"", "https://x.example/1", "naïve.ckpt"),
        ('attachment; filename="../../../etc/cron.pt"', "https://x.example/1", "cron.pt"),
        ('attachment; filename="C:\\\\Windows\\\\evil.pt"', "https://x.example/1", "evil.pt"),
        ('attachment; filename="con.safetensors"', "https://x.example/1", "_con.safetensors"),
        ('attachment; filename="LPT1.tar.pt"', "https://x.example/1", "_LPT1.tar.pt"),
        ('attachment; filename="a:b*?.bin"', "https://x.example/1", "a_b__.bin"),
        ('attachment; filename="...hidden.ckpt "', "https://x.example/1", "hidden.ckpt"),
        ("attachment; filename*=UTF-8''a%E2%80%AEtpkc.pt", "https://x.example/1", "atpkc.pt"),
        ("", "https://x.example/a/m%20n.pth?x=/y.exe", "m n.pth"),
        ('attachment; filename="run.exe"', "https://x.example/real.ckpt", "real.ckpt"),
        ("", "https://huggingface.co/me/soft-light/resolve/main/unet/model.fp16.safetensors", "soft-light.safetensors"),
        ("", f"https://x.example/{'é' * 400}.ckpt", "é" * 116 + ".ckpt"),
    ],
)
def test_a_name_from_elsewhere_is_made_harmless(disposition: str, url: str, name: str) -> None:
    assert file_name(disposition, url) == name


@pytest.mark.parametrize("name", ["run.exe", "model.safetensors.sh", ".ckpt", "..", "", "a.ckpt/"])
def test_only_models_are_fetched(name: str) -> None:
    with pytest.raises(UserError, match="not a model file"):
        file_name(f'attachment; filename="{name}"', "https://x.example/download")


def test_a_redirect_may_not_leave_the_web_lose_protection_or_enter_the_own_network() -> None:
    known = {
        "x.example": ["93.184.216.34"],
        "evil.example": ["169.254.169.254"],
        "nas": ["192.168.1.4"],
        "six.example": ["fd00::1"],
    }

    def resolve(host: str) -> list[str]:
        return known.get(host, [host] if host[0].isdigit() else [])

    check_hop("https://cdn.example/m.ckpt", "https://x.example/m", resolve)
    check_hop("http://nas/m.ckpt", "http://nas/other", resolve)
    for onward in (
        "http://x.example/m",
        "file:///etc/passwd",
        "ftp://x.example/m",
        "https://a:b@x.example/m",
        "https://127.0.0.1/m",
    ):
        with pytest.raises(UserError, match="not followed"):
            check_hop(onward, "https://x.example/m", resolve)
    for host in ("evil.example", "nas", "six.example", "10.0.0.1"):
        with pytest.raises(UserError, match="your own network"):
            check_hop(f"https://{host}/m", "https://x.example/m", resolve)


def test_a_key_goes_to_its_own_host_only_and_only_protected() -> None:
    keys = {"civitai.com": "secret", "huggingface.co": ""}
    assert authorization("https://civitai.com/api/download/models/1", keys) == {"Authorization": "Bearer secret"}
    for url in (
        "http://civitai.com/",
        "https://civitai.com.evil.example/",
        "https://civitai.com:8443/",
        "https://x.example/",
    ):
        assert authorization(url, keys) == {}
    assert authorization("https://huggingface.co/x", keys) == {}
    assert authorization("https://civitai.com/", {"civitai.com": "two\r\nlines: 1"}) == {}


@pytest.mark.parametrize("offer", offers(), ids=lambda offer: offer.name)
def test_an_offered_model_has_an_address_a_size_a_licence_and_maybe_a_hash(offer) -> None:
    assert address_of(offer.address) == offer.address
    assert file_name("", offer.address) == offer.file
    assert 0 < offer.gb < 20
    assert offer.licence
    assert offer.kind in ("checkpoint", "VAE", "upscaler")
    assert offer.sha256 == "" or (len(offer.sha256) == 64 and int(offer.sha256, 16))
