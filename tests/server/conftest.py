from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from modules.server.gate import Gate
from modules.server.routes import build_app
from tests.jobs.painting import PaintingEngine, open_studio


@pytest.fixture
def engine():
    return PaintingEngine()


@pytest.fixture
def studio(tmp_path, engine):
    with open_studio(tmp_path, engine) as opened:
        yield opened


@pytest.fixture
def web(studio):
    """The API as a script on this machine sees it."""
    return TestClient(build_app(studio, Gate()), base_url="http://localhost:7860", raise_server_exceptions=False)
