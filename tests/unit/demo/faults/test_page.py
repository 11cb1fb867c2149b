"""``docs/howto/script-faults.md`` against the code: the table is complete, and its scripts can be read."""

import re
from pathlib import Path

import msgspec
import pytest

from demo.faults.fault import Fault
from demo.faults.script import fault_kinds, read_script

PAGE = Path(__file__).resolve().parents[4] / "docs" / "howto" / "script-faults.md"
COMMON = {field.encode_name for field in msgspec.structs.fields(Fault)}


def shown(value: object) -> str:
    """Return a default as a script would have it; what has none is required."""
    if value is msgspec.NODEFAULT:
        return "required"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def parameters(cls: type[Fault]) -> str:
    """Return the cell of the table that holds the parameters of a kind."""
    fields = [field for field in msgspec.structs.fields(cls) if field.encode_name not in COMMON]
    fields.sort(key=lambda field: field.encode_name in ("request", "share", "times"))
    return ", ".join(
        f"`{field.encode_name}`" + ("" if field.default is None else f" {shown(field.default)}") for field in fields
    )


def test_the_table_has_every_kind_with_its_parameters():
    """No kind is missing, none is too many, and the defaults are those of the code."""
    rows = re.findall(r"^\| `(\w+)` \| (.*?) ?\| \S.* \|$", PAGE.read_text(encoding="utf-8"), re.M)
    assert dict(rows) == {kind: parameters(cls) for kind, cls in fault_kinds().items()}
    assert len(rows) == len(fault_kinds())


def test_the_table_says_what_the_code_says():
    """The last column is the first line of the kind's docstring."""
    rows = re.findall(r"^\| `(\w+)` \| .*? ?\| (\S[^|]*) \|$", PAGE.read_text(encoding="utf-8"), re.M)
    for kind, text in rows:
        assert text == (fault_kinds()[kind].__doc__ or "").splitlines()[0].replace("``", "`")


@pytest.mark.parametrize("text", re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S))
def test_the_scripts_of_the_page_can_be_read(text, tmp_path):
    """Somebody who copies one has a script."""
    path = tmp_path / "faults.yaml"
    path.write_text(text, encoding="utf-8")
    assert read_script(path).faults
