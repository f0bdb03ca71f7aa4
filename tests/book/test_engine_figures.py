"""Drawings of the engine chapters: who reads what, and the roofline."""

from __future__ import annotations

import json

import matplotlib.pyplot as plt
import numpy as np
import pytest

from entropylab.book.archived_times import (
    archived,
    beside_rivals,
    beside_roof,
    in_words,
    measured,
    source,
    step_times,
)
from entropylab.book.reading_maps import reading_map, reading_order
from entropylab.book.roofline import roofline
from entropylab.kernels.steps.fresh import Trace


@pytest.fixture
def axes():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


def trace(reads, size):
    block, thread, element, width = np.array(reads, np.int64).T
    return Trace(block, thread, element, width, 0, size)


def test_a_reading_map_colours_each_number_by_its_first_reader_and_marks_the_first_load(axes):
    # Two rows of four: a block a row, two threads with loads of two numbers; then all once more by thread 0.
    reads = [(0, 0, 0, 2), (0, 1, 2, 2), (1, 0, 4, 2), (1, 1, 6, 2), *((0, 0, n, 1) for n in range(8))]
    reading_map(axes, trace(reads, 8), 4, threads=2)
    (mesh,) = axes.collections
    np.testing.assert_array_equal(mesh.get_array(), [[0, 0, 1, 1], [0, 0, 1, 1]])
    dots, *edges = axes.lines
    assert len(dots.get_xdata()) == 8
    assert len(edges) == 4  # below each of the four columns another block begins
    assert axes.get_ylim() == (2, 0)


def test_only_what_the_first_load_reads_has_a_dot(axes):
    reading_map(axes, trace([(0, 0, 0, 1), (0, 1, 1, 1), (0, 0, 2, 1), (0, 1, 3, 1)], 4), 4, threads=2)
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), [0.5, 1.5])


def test_a_reading_map_says_what_does_not_fit(axes):
    with pytest.raises(ValueError, match="columns: got 3, but rows of that length do not fill 4 numbers"):
        reading_map(axes, trace([(0, 0, 0, 4)], 4), 3)
    with pytest.raises(ValueError, match="number 2 is read by nobody"):
        reading_map(axes, trace([(0, 0, 0, 2), (0, 0, 3, 1)], 4), 4)


CASE = {"path": "a", "peer": "b", "rows": 2, "width": 10, "dtype": "bfloat16", "milliseconds": 4.0}


def test_a_benchmark_file_is_read_as_far_as_it_goes(tmp_path):
    assert archived("cuda", tmp_path) is None
    (tmp_path / "benchmarks").mkdir()
    path = tmp_path / "benchmarks" / "cuda.json"
    full = CASE | {"peer_milliseconds": 8.0, "reads": 2.0, "floor_reads": 0.5}
    path.write_text(json.dumps({"cases": [full, CASE, CASE | {"path": "c"}, CASE | {"dtype": "int4"}]}))
    content = archived("cuda", tmp_path)
    first, second = measured(content, "a")
    assert (first.name, first.numbers, first.bytes_each) == ("2 × 10, bfloat16", 20, 2)
    assert (first.peer, first.ours, first.theirs, first.floor) == ("b", 0.004, 0.008, 0.001)
    assert np.isnan([second.theirs, second.floor]).all()
    assert measured(content, "a", numbers_a_unit=12)[0].numbers == 240
    assert measured({}, "a") == []
    for text, message in (("{", "is not readable"), ("[]", "must hold a JSON object, not a list")):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            archived("cuda", tmp_path)


def test_the_source_names_machine_day_and_versions():
    content = {
        "machine": {"processor": "P", "cores": 2},
        "date": "2026-11-25T01:02",
        "versions": {"torch": "2.1"},
    }
    assert source(content) == "P, 2 cores; 2026-11-25; torch 2.1"
    assert source({"machine": {"gpu": "G"}}).startswith("G; no date")


def test_a_roofline_has_its_roofs_and_points(axes):
    roofline(axes, {"one": [(0.25, 1e9)], "two": [(1 / 12, 2e9)]}, bandwidth=8e9, ceiling=3e9)
    memory, level, *points = axes.lines
    np.testing.assert_allclose(memory.get_ydata(), 8 * memory.get_xdata())
    assert set(level.get_ydata()) == {3.0}
    assert [(p.get_xdata()[0], p.get_ydata()[0]) for p in points] == [(0.25, 1.0), (1 / 12, 2.0)]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1/12", "1/4"]
    with pytest.raises(ValueError, match="must be above 0, not 0"):
        roofline(axes, {"one": [(0.25, 0.0)]}, bandwidth=8e9)
    with pytest.raises(ValueError, match="points: got none"):
        roofline(axes, {"one": []}, bandwidth=8e9)


def test_the_order_of_reads_is_that_of_the_first_thread(axes):
    reading_order(axes, trace([(0, 0, 3, 1), (0, 1, 9, 1), (0, 0, 1, 1), (1, 0, 7, 1)], 10))
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[0, 3], [1, 1]])


def test_step_times_have_a_dot_and_a_figure_for_each_step(axes):
    rows = [
        {"step": "a", "milliseconds": 20.0, "shape": "2 x 3"},
        {"step": "shipped", "milliseconds": 1.25, "shape": ""},
    ]
    step_times(axes, rows, {"a": "0 a", "shipped": "shipped"})
    np.testing.assert_allclose(axes.collections[1].get_offsets(), [[20, 0], [1.25, 1]])
    assert [text.get_text() for text in axes.texts] == ["20", "1.25"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0 a", "shipped"]
    assert axes.get_xlim()[0] == 1
    with pytest.raises(ValueError, match="rows: got none"):
        step_times(axes, [], {})


def test_rivals_stand_beside_ours_at_the_largest_size(axes):
    big = CASE | {"peer_milliseconds": 8.0, "reads": 2.0, "floor_reads": 1.0}
    cases = measured({"cases": [CASE | {"rows": 1}, big, big | {"peer": "z", "peer_milliseconds": 9.0}]}, "a")
    assert in_words(cases) == "In milliseconds: 2 × 10, bfloat16: floor 2, ours 4, b 8, z 9."
    beside_rivals(axes, cases)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["2 × 10, bfloat16"]
    drawn = {(line.get_label(), float(line.get_xdata()[0])) for line in axes.lines}
    assert drawn == {("floor", 2.0), ("ours", 4.0), ("b", 8.0), ("z", 9.0)}
    (legend,) = axes.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["floor", "ours", "b", "z"]
    with pytest.raises(ValueError, match="cases: got none to draw"):
        beside_rivals(axes, [])


@pytest.mark.parametrize("roof", [{}, {"read_gb_per_second": 2e-5}])
def test_the_cases_of_a_benchmark_file_stand_under_its_own_roof(axes, roof):
    full = CASE | {"peer_milliseconds": 8.0, "reads": 2.0, "floor_reads": 1.0}
    content = roof | {"cases": [full, full | {"dtype": "float32"}, CASE | {"rows": 1}]}
    beside_roof(axes, content, measured(content, "a"))
    memory, ours, theirs = axes.lines
    # Without a bandwidth in the file: 20 numbers of 4 bytes in 2 ms.
    np.testing.assert_allclose(memory.get_ydata() / memory.get_xdata(), roof.get("read_gb_per_second", 4e-5))
    np.testing.assert_allclose(ours.get_xydata(), [[1 / 2, 5e-6], [1 / 4, 5e-6]])
    np.testing.assert_allclose(theirs.get_xydata(), [[1 / 2, 2.5e-6], [1 / 4, 2.5e-6]])
    with pytest.raises(ValueError, match="cases: got none"):
        beside_roof(axes, content, [])
