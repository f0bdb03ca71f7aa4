"""Pinned, checksummed downloads and the small numeric tables that ship with the package."""

from entropylab.data.downloads import DownloadError, fetch, registry
from entropylab.data.embedded import list_tables, load_table
from entropylab.data.novels import Novel, read_novels
from entropylab.data.prompts import story_openings

__all__ = [
    "DownloadError",
    "Novel",
    "fetch",
    "list_tables",
    "load_table",
    "read_novels",
    "registry",
    "story_openings",
]
