"""Pinned, checksummed downloads and the small numeric tables that ship with the package."""

from entropylab.data.downloads import DownloadError, fetch, registry
from entropylab.data.embedded import list_tables, load_table
from entropylab.data.natural_stories import read_davinci_tokens, read_natural_stories
from entropylab.data.novels import Novel, read_novels
from entropylab.data.prompts import story_openings
from entropylab.data.segments import plain_segments, rare_words

__all__ = [
    "DownloadError",
    "Novel",
    "fetch",
    "list_tables",
    "load_table",
    "plain_segments",
    "rare_words",
    "read_davinci_tokens",
    "read_natural_stories",
    "read_novels",
    "registry",
    "story_openings",
]
