"""`--share`: a public address for a while, through Gradio's tunnel. What comes through it must show the password."""

from __future__ import annotations

import secrets

from ..core.errors import UserError


def new_password() -> str:
    """A password that cannot be guessed and can be typed."""
    return secrets.token_urlsafe(12)


def open_share(port: int) -> str:
    """Opens the tunnel to our port on this machine and gives its public address. It ends with the program.

    Raises UserError when it cannot be had: it needs the internet, for a small program (fetched once) and for itself.
    """
    from gradio.networking import setup_tunnel

    try:
        return setup_tunnel(
            local_host="127.0.0.1",
            local_port=port,
            share_token=secrets.token_urlsafe(32),
            share_server_address=None,
            share_server_tls_certificate=None,
        )
    except Exception as error:
        reason = str(error).strip().splitlines()
        raise UserError(
            f"A public address could not be had: {reason[0] if reason else type(error).__name__}",
            hint="It needs the internet (api.gradio.app and a tunnel server). The page on this machine goes on.",
        ) from error
