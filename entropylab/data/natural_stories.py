"""The Natural Stories corpus: ten English stories, and how long people took to read each word.

Self-paced reading: a word is shown at a time, and the reader presses a key for the next one. Futrell, Gibson, Tily,
Blank, Vishnevetsky, Piantadosi and Fedorenko 2021, "The Natural Stories corpus", Language Resources and Evaluation
55(1). Licence CC BY-NC-SA 4.0: attribution, no commercial use, adaptations under the same licence.

The times are those of the public table of word means, **as filed**: they stand one row before the word that they
belong to (see `entropylab.cognition.realigned`).
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from entropylab.data.downloads import fetch

if TYPE_CHECKING:
    import pandas as pd

ATTRIBUTION = (
    "Natural Stories corpus (Futrell, Gibson, Tily, Blank, Vishnevetsky, Piantadosi & Fedorenko 2021, Language "
    "Resources and Evaluation 55(1), 63-77), https://github.com/languageMIT/naturalstories, commit 4700daad"
)
LICENCE = "CC BY-NC-SA 4.0 (https://creativecommons.org/licenses/by-nc-sa/4.0/)"


def read_natural_stories() -> pd.DataFrame:
    """Read the words and their mean reading times, downloading the two files if need be.

    Returns
    -------
    pandas.DataFrame
        A row a word, in reading order: ``word`` (as shown to the readers), ``story`` (1 to 10), ``position`` in the
        story (from 1), ``readers``, ``mean_ms`` and ``geometric_mean_ms`` (reading time as filed, milliseconds).

    Raises
    ------
    DownloadError
        If a file cannot be had.
    ValueError
        If the two files do not hold the same words.
    """
    import pandas as pd

    def table(name: str) -> pd.DataFrame:
        # Words begin with quotes, and one of them could be read as a missing value.
        path = fetch(f"natural_stories/{name}")
        return pd.read_csv(path, sep="\t", quoting=csv.QUOTE_NONE, keep_default_na=False)

    place = ["item", "zone"]
    shown = table("all_stories").sort_values(place, ignore_index=True)
    times = table("processed_wordinfo").sort_values(place, ignore_index=True)
    if not shown[[*place, "word"]].equals(times[[*place, "word"]]):
        raise ValueError(
            "natural_stories: the table of words and the table of times do not hold the same words"
        )
    names = {
        "word": "word",
        "item": "story",
        "zone": "position",
        "nItem": "readers",
        "meanItemRT": "mean_ms",
        "gmeanItemRT": "geometric_mean_ms",
    }
    return times[list(names)].rename(columns=names)


def read_davinci_tokens() -> pd.DataFrame:
    """Read the surprisals of the stories' tokens under GPT-3 (davinci, 2020) that come with the corpus.

    Returns
    -------
    pandas.DataFrame
        A row a token, in reading order: ``story`` (1 to 10), ``token`` (its text) and ``surprisal`` in nats, NaN for
        the first token of a story.

    Raises
    ------
    DownloadError
        If the file cannot be had.
    """
    import pandas as pd

    table = pd.read_csv(fetch("natural_stories/all_stories_gpt3"), keep_default_na=False)
    surprisal = -pd.to_numeric(table["logprob"], errors="coerce")
    return pd.DataFrame({"story": table["story"] + 1, "token": table["token"], "surprisal": surprisal})
