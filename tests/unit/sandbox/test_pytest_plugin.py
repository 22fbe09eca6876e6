"""The pytest plugin as its users have it: test files of theirs, run by pytest in this process."""

from importlib.metadata import entry_points

import pytest

pytest_plugins = ["pytester"]

PLUGIN = "octoffm_async.sandbox.pytest_plugin"
INSTALLED = any(point.value == PLUGIN for point in entry_points(group="pytest11"))
STRICT = ("-p", "no:cacheprovider", "--strict-markers", "-W", "error", "-q")


def passed(pytester: pytest.Pytester, source: str, count: int, *options: str) -> None:
    pytester.makepyfile(source)
    plugin = () if INSTALLED else ("-p", PLUGIN)
    outcome = pytester.runpytest_inprocess(*plugin, *STRICT, *options)
    outcome.assert_outcomes(passed=count)


@pytest.fixture(autouse=True)
def one_loop_setting(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")


def test_a_plain_test_gets_a_sandbox_of_its_own(pytester: pytest.Pytester) -> None:
    source = """
        import asyncio
        import pytest
        from octoffm_async import FulfillmentClient, FulfillmentProduct

        @pytest.mark.parametrize("turn", [1, 2])
        def test_it(octoffm_sandbox, octoffm_config, turn):
            async def use():
                async with FulfillmentClient(octoffm_config) as client:
                    product = FulfillmentProduct(gtin="4006381333931", seller_product_reference="R")
                    await client.products.create([product])
            assert octoffm_sandbox.effects.products == {}
            asyncio.run(use())
            assert octoffm_sandbox.effects.products == {"R": 1}
    """
    passed(pytester, source, 2)


def test_it_serves_asyncio_tests_and_anyio_tests(pytester: pytest.Pytester) -> None:
    source = """
        import pytest
        from octoffm_async import FulfillmentClient

        @pytest.mark.asyncio
        async def test_asyncio(octoffm_config):
            async with FulfillmentClient(octoffm_config) as client:
                assert await client.check() > 7000

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.anyio
        async def test_anyio(octoffm_config):
            async with FulfillmentClient(octoffm_config) as client:
                assert await client.check() > 7000
    """
    passed(pytester, source, 2)


def test_settings_come_from_a_fixture_and_from_markers_nearest_last(pytester: pytest.Pytester) -> None:
    source = """
        import pytest

        pytestmark = pytest.mark.octoffm_sandbox(catalogue=2, client_id="module")

        @pytest.fixture
        def octoffm_sandbox_settings():
            return {"speed": 0, "catalogue": 1, "client_secret": "hush"}

        def products(sandbox):
            return sandbox.run(lambda inner: len(inner._state.world.account(None).references))

        def test_module(octoffm_sandbox):
            assert (octoffm_sandbox.client_id, octoffm_sandbox.client_secret) == ("module", "hush")
            assert products(octoffm_sandbox) == 2

        @pytest.mark.octoffm_sandbox(catalogue=3)
        def test_nearest(octoffm_sandbox, octoffm_config):
            assert (octoffm_config.client_id, products(octoffm_sandbox)) == ("module", 3)
    """
    passed(pytester, source, 2)


def test_a_marker_with_a_nameless_setting_is_a_mistake(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest

        @pytest.mark.octoffm_sandbox(5)
        def test_it(octoffm_sandbox): ...
    """)
    plugin = () if INSTALLED else ("-p", PLUGIN)
    outcome = pytester.runpytest_inprocess(*plugin, *STRICT)
    outcome.assert_outcomes(errors=1)
    outcome.stdout.fnmatch_lines(["*takes settings by name only*"])


def test_its_marker_and_fixtures_are_described(pytester: pytest.Pytester) -> None:
    plugin = () if INSTALLED else ("-p", PLUGIN)
    markers = pytester.runpytest_inprocess(*plugin, "--markers")
    markers.stdout.fnmatch_lines(["@pytest.mark.octoffm_sandbox(*settings): settings of the octoffm_sandbox fixture*"])
    fixtures = pytester.runpytest_inprocess(*plugin, "--fixtures")
    fixtures.stdout.fnmatch_lines_random(
        ["octoffm_config -- *", "octoffm_sandbox -- *", "octoffm_sandbox_settings -- *"]
    )
