from __future__ import annotations

import pytest

from entropylab.data import list_tables, load_table


def test_every_embedded_table_loads_and_names_its_source_and_licence():
    assert list_tables()
    for name in list_tables():
        table = load_table(name)
        assert len(table)
        assert table.attrs["source"] and table.attrs["licence"]


def test_an_unknown_table_is_named_with_those_there_are():
    with pytest.raises(ValueError, match=r"there is no table 'nothing'; there are \["):
        load_table("nothing")
