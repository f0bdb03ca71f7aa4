"""The small numeric tables that ship with the package, as Parquet."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_FOLDER = resources.files("entropylab.data") / "tables"


def list_tables() -> list[str]:
    """Names of the embedded tables, sorted."""
    return sorted(
        file.name.removesuffix(".parquet") for file in _FOLDER.iterdir() if file.name.endswith(".parquet")
    )


def load_table(name: str) -> pd.DataFrame:
    """Load an embedded table.

    Parameters
    ----------
    name : str
        A name of :func:`list_tables`.

    Returns
    -------
    pandas.DataFrame
        The table; ``.attrs`` holds its ``source`` and ``licence``.

    Raises
    ------
    ValueError
        If there is no such table.
    """
    import pandas as pd

    if name not in list_tables():
        raise ValueError(f"name: there is no table {name!r}; there are {list_tables()}")
    with resources.as_file(_FOLDER / f"{name}.parquet") as path:
        return pd.read_parquet(path)
