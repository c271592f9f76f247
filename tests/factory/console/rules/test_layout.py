"""Drawn graphs: order, room, readable titles."""

from hypothesis import given
from hypothesis import strategies as st

from factory.console.rules.layout import (
    MOST_NODES,
    NODE_HEIGHT,
    NODE_WIDTH,
    WIDTH,
    columns_of,
    draw_graph,
    lines_of,
)


@st.composite
def graphs(draw: st.DrawFn) -> dict[int, list[int]]:
    """Graphs whose nodes need earlier ones."""
    size = draw(st.integers(1, 30))
    return {n: sorted(draw(st.sets(st.integers(0, n - 1), max_size=3))) if n else [] for n in range(size)}


@given(graphs())
def test_whatever_a_step_needs_stands_left_of_it(needs: dict[int, list[int]]) -> None:
    column = {key: index for index, keys in enumerate(columns_of(needs)) for key in keys}

    assert all(column[before] < column[key] for key in needs for before in needs[key])


@given(graphs())
def test_no_two_boxes_touch_and_none_leaves_the_drawing(needs: dict[int, list[int]]) -> None:
    layout = draw_graph(needs)

    spots = layout.spots if layout else ()
    for spot in spots:
        assert 0 <= spot.x <= WIDTH - NODE_WIDTH
        assert layout is not None
        assert 0 <= spot.y <= layout.height - NODE_HEIGHT
    boxes = [(spot.x, spot.y) for spot in spots]
    assert all(
        abs(a[0] - b[0]) >= NODE_WIDTH or abs(a[1] - b[1]) >= NODE_HEIGHT
        for index, a in enumerate(boxes)
        for b in boxes[:index]
    )


def test_what_is_too_large_to_be_read_is_only_listed() -> None:
    assert draw_graph({n: [] for n in range(MOST_NODES + 1)}) is None
    assert draw_graph({n: [n - 1] if n else [] for n in range(7)}) is None


def test_a_title_is_at_most_three_lines_and_says_when_it_is_cut() -> None:
    lines = lines_of("Write the help texts, short and long, with one example for each page")

    assert len(lines) == 3
    assert all(len(line) <= 20 for line in lines)
    assert lines[-1].endswith("…")
