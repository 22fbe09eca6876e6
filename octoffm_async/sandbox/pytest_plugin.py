"""A pytest plugin: an emulator of the fulfillment API for each test that requests the fixture.

- ``octoffm_sandbox`` is a :class:`octoffm_async.sandbox.SandboxThread`, empty at the start of each test. It is a plain
  fixture: it works in tests with and without an event loop, with any plugin that runs the loop.
- ``octoffm_config`` is the ``Config`` of a client for it.
- ``octoffm_sandbox_settings`` may be overridden by a fixture that returns settings of ``Sandbox``. The settings of
  ``@pytest.mark.octoffm_sandbox(limit=(5, 1.0), speed=0)`` override them; the nearest marker wins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from octoffm_async.config import Config
    from octoffm_async.sandbox import SandboxThread
    from octoffm_async.sandbox.thread import LoopThread

MARKER = "octoffm_sandbox"


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", f"{MARKER}(**settings): settings of the octoffm_sandbox fixture, as of Sandbox")


@pytest.fixture
def octoffm_sandbox_settings() -> dict[str, Any]:
    """Return the settings of the sandbox; override this fixture for all tests of a file or folder."""
    return {}


@pytest.fixture(scope="session")
def _octoffm_loop() -> Iterator[LoopThread]:
    """Run one thread for the sandboxes of all tests; starting a thread takes about a millisecond."""
    from octoffm_async.sandbox.thread import LoopThread

    loop = LoopThread()
    yield loop
    loop.close()


@pytest.fixture
def octoffm_sandbox(
    request: pytest.FixtureRequest, octoffm_sandbox_settings: dict[str, Any], _octoffm_loop: LoopThread
) -> Iterator[SandboxThread]:
    """Serve a sandbox for this test alone, in another thread."""
    from octoffm_async.sandbox import SandboxThread

    settings = dict(octoffm_sandbox_settings)
    for marker in reversed(list(request.node.iter_markers(MARKER))):
        if marker.args:
            raise pytest.UsageError(f"@pytest.mark.{MARKER} takes settings by name only, not {marker.args}")
        settings.update(marker.kwargs)
    with SandboxThread(loop=_octoffm_loop, **settings) as sandbox:
        yield sandbox


@pytest.fixture
def octoffm_config(octoffm_sandbox: SandboxThread) -> Config:
    """Return the configuration of a client for the sandbox of this test."""
    return octoffm_sandbox.config()
