"""Commands, environment and ports of the processes."""

from pathlib import Path

import yaml

from demo.services import LOCATION, Services


def services(folder):
    """Return the processes for some addresses."""
    return Services(
        root=Path("/repository"),
        work=folder,
        variables={"DATABASE_URL": "postgresql://x"},
        dagster_port=3000,
        api_port=8000,
        location_port=4000,
        collector_port=8081,
    )


def test_every_process_gets_addresses_and_home(tmp_path):
    """DAGSTER_HOME is the repository, where dagster.yaml is."""
    made = services(tmp_path)
    programs = [made.database(1), made.exchange(2, seed=7, coins="BTC"), made.importer("BTC"), made.collector()]
    programs += [made.live(), made.location(), made.daemon(), made.webserver(), made.api()]
    for program in programs:
        assert program.variables["DATABASE_URL"] == "postgresql://x"
        assert program.variables["DAGSTER_HOME"] == "/repository"
        assert program.variables["COLLECTOR_HTTP_PORT"] == "8081"
        assert program.variables["API_PORT"] == "8000"
        assert program.variables["DAGSTER_URL"] == "http://127.0.0.1:3000"
    assert len({program.name for program in programs}) == len(programs)


def test_whoever_is_waited_for_listens_where_its_command_says(tmp_path):
    """The port of the program is the port of its options."""
    made = services(tmp_path)
    for program in (made.database(5), made.exchange(6, seed=7, coins="BTC"), made.location(), made.webserver()):
        assert str(program.port) in program.command


def test_the_workspace_file_points_to_the_code_location(tmp_path):
    """Under the name of workspace.yaml: sensors remember by it what they have seen."""
    made = services(tmp_path)
    made.write_workspace()
    (entry,) = yaml.safe_load((tmp_path / "workspace.yaml").read_text())["load_from"]
    assert entry == {"grpc_server": {"host": "127.0.0.1", "port": 4000, "location_name": LOCATION}}
    ours = yaml.safe_load(Path("workspace.yaml").read_text())["load_from"]
    assert ours[0]["python_module"]["location_name"] == LOCATION
