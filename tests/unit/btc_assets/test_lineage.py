"""What an asset's definition says of its table: every column, where it comes from, where to read on."""

import warnings

import dagster as dg
import pytest

from btc_assets import lineage
from btc_assets.backtests import build_backtests
from btc_assets.candles import MINUTES_KEY, build_candles, build_minutes, candles_key
from btc_assets.decisions import build_decisions, decisions_key
from btc_assets.indicators import build_indicators, indicators_key
from btc_assets.lineage import decision_columns, docs_metadata
from btc_assets.partitions import build_partitions
from btc_core.strategy import load_strategy
from btc_store.settings import project_root, read_config

CLOSE = dg.TableColumnDep(candles_key("37m"), "close")


@pytest.fixture(scope="module")
def specs():
    """The specs of all assets, for the project's configuration."""
    config = read_config(project_root() / "config.yaml")
    partitions = build_partitions(config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assets = [build_candles(config, partitions), build_indicators(config, partitions)]
        assets += [*build_decisions(config, partitions), *build_backtests(config, partitions)]
        return {spec.key: spec for asset in assets for spec in asset.specs} | {MINUTES_KEY: build_minutes(partitions)}


def test_every_asset_says_what_it_is(specs):
    """Group, owner, kinds, description, columns and a page of the documents."""
    for spec in specs.values():
        assert spec.group_name == spec.key.path[0]
        assert spec.owners
        assert "postgres" in spec.kinds
        assert spec.description
        assert "docs" in spec.metadata
        assert all(column.description for column in spec.metadata["dagster/column_schema"].columns)


def test_pages_that_are_named_are_there(specs):
    """A link that leads nowhere is worse than none."""
    pages = {page for spec in specs.values() for page in spec.metadata["docs"].value.strip("`").split("` · `")}
    assert {page for page in pages if not (project_root() / page).is_file()} == set()


def test_a_candle_is_made_of_minutes(specs):
    """Each column comes from the same one of the 1m candles; the 1m candles come from nowhere."""
    columns = specs[candles_key("37m")].metadata["dagster/column_lineage"].deps_by_column
    assert columns["close"] == [dg.TableColumnDep(MINUTES_KEY, "close")]
    assert "dagster/column_lineage" not in specs[MINUTES_KEY].metadata


def test_an_indicator_is_made_of_what_it_reads(specs):
    """An average of closes comes from the closes of its interval's candles, and says so in words."""
    metadata = specs[indicators_key("37m")].metadata
    assert metadata["dagster/column_lineage"].deps_by_column["value"] == [CLOSE]
    described = {column.name: column.description for column in metadata["dagster/column_schema"].columns}
    assert described["value"].endswith("← `candles/37m`: close")
    assert described["indicator_name"] == "one of ma44, ma125"


def test_a_decision_is_made_of_candles_and_indicators(specs):
    """Its opinion rests on the closes and on the averages, on each interval that it is made on."""
    deps = specs[decisions_key("ma44")].metadata["dagster/column_lineage"].deps_by_column
    assert {CLOSE, dg.TableColumnDep(indicators_key("37m"), "value")} < set(deps["signal"])
    assert {dep.asset_key.path[-1] for dep in deps["signal"]} == {"37m", "148m", "1d"}


def test_what_a_strategy_reads_of_another_interval_is_no_column():
    """It reads ``1d.close``; the candles' column is ``close``."""
    columns = decision_columns(load_strategy("multi", {}), candles=[candles_key("37m")], indicators=[])
    named = {name for column in columns for names in column.made_of.values() for name in names}
    assert "close" in named
    assert [name for name in named if "." in name] == []


def test_where_the_project_has_an_address_its_pages_are_links(monkeypatch):
    """A relative link is useless in the web interface."""
    assert docs_metadata(["docs/laws.md"])["docs"].value == "`docs/laws.md`"
    monkeypatch.setattr(lineage, "_repository", lambda: "https://example.org/btc")
    (link,) = docs_metadata(["docs/laws.md"]).values()
    assert link.value == "https://example.org/btc/blob/main/docs/laws.md"
