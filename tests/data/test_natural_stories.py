"""The reader of the Natural Stories corpus, on files made for the test."""

from __future__ import annotations

import pytest

from entropylab.data import natural_stories, read_davinci_tokens, read_natural_stories, registry

SHOWN = "word\tzone\titem\n'Yes,\t1\t1\nnull\t2\t1\nGeese\t1\t2\n"
TIMES = (
    "word\tzone\titem\tnItem\tmeanItemRT\tsdItemRT\tgmeanItemRT\tgsdItemRT\n"
    "Geese\t1\t2\t70\t350.5\t9\t340.25\t1.1\n"
    "null\t2\t1\t80\t300\t9\t290\t1.1\n"
    "'Yes,\t1\t1\t80\t310\t9\t305\t1.1\n"
)


@pytest.fixture
def files(tmp_path, monkeypatch):
    def put(shown, times):
        (tmp_path / "all_stories").write_text(shown)
        (tmp_path / "processed_wordinfo").write_text(times)
        monkeypatch.setattr(natural_stories, "fetch", lambda name: tmp_path / name.rpartition("/")[2])

    return put


def test_words_come_in_reading_order_as_they_stand(files):
    files(SHOWN, TIMES)
    table = read_natural_stories()
    assert table["word"].tolist() == ["'Yes,", "null", "Geese"]
    assert table["story"].tolist() == [1, 1, 2]
    assert table["position"].tolist() == [1, 2, 1]
    assert table["readers"].tolist() == [80, 80, 70]
    assert table["geometric_mean_ms"].tolist() == [305, 290, 340.25]


def test_files_of_different_words_are_refused(files):
    files(SHOWN.replace("Geese", "Ducks"), TIMES)
    with pytest.raises(ValueError, match="do not hold the same words"):
        read_natural_stories()


def test_the_tokens_of_gpt3_keep_their_spaces(tmp_path, monkeypatch):
    lines = "token,logprob,offset,model,time,id,story\nIf,,0,d,1,c,0\n you,-0.5,2,d,1,c,0\nnull,,0,d,1,c,1\n"
    (tmp_path / "all_stories_gpt3").write_text(lines)
    monkeypatch.setattr(natural_stories, "fetch", lambda name: tmp_path / name.rpartition("/")[2])
    table = read_davinci_tokens()
    assert table["token"].tolist() == ["If", " you", "null"]
    assert table["story"].tolist() == [1, 1, 2]
    assert table["surprisal"].isna().tolist() == [True, False, True] and table["surprisal"][1] == 0.5


def test_the_files_are_registered_with_their_licence():
    names = [name for name in registry() if name.startswith("natural_stories/")]
    assert names == [
        f"natural_stories/{file}" for file in ("all_stories", "processed_wordinfo", "all_stories_gpt3")
    ]
    assert {registry()[name].licence for name in names} == {"CC BY-NC-SA 4.0"}
