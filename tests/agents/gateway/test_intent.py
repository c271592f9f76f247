"""What a prompt wants is read from its shape, whatever language it is written in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.gateway.rules.intent import read_intent, read_wish
from agents.gateway.rules.route import tier_groups


@pytest.mark.parametrize(
    ("text", "prompt", "room", "has_tools", "task_type", "quality"),
    [
        ("Is this a complaint?", 10, 5, False, "classification", "acceptable"),
        ("Ist das eine Beschwerde?", 10, 99, False, "classification", "acceptable"),
        ("Is this a complaint?", 10, 100, False, "general", "good"),
        ("Mend this:\n```python\nx = 1\n```", 10, 5, False, "coding", "good"),
        ("Look around.", 10, 5, True, "coding", "good"),
        ("A long report.", 8_000, 1_000, False, "summarization", "acceptable"),
        ("A long report.", 8_000, 1_001, False, "general", "good"),
        ("A short report.", 7_999, 500, False, "general", "good"),
    ],
)  # fmt: skip
def test_the_table_of_shapes(
    text: str, prompt: int, room: int, *, has_tools: bool, task_type: str, quality: str
) -> None:
    intent = read_intent([text], prompt_tokens=prompt, room=room, has_tools=has_tools)

    assert (intent.task_type, intent.quality) == (task_type, quality)


@pytest.mark.parametrize(
    ("name", "wish"),
    [
        ("auto", (None, "normal")), ("auto/best", ("best", "normal")), ("auto/acceptable", ("acceptable", "normal")),
        ("auto/fast", (None, "fast")), ("auto/instant", (None, "instant")), ("auto/gpt-5", None), ("gpt-5", None), ("", None),
        ("automatic", None), ("auto/batch", None),
    ],
)  # fmt: skip
def test_a_name_leaves_the_choice_open_or_is_a_models(name: str, wish: object) -> None:
    assert read_wish(name) == wish


@given(st.lists(st.text()), st.integers(0, 10**6), st.integers(1, 10**5), st.booleans())
def test_every_prompt_reaches_the_router(texts: list[str], prompt: int, room: int, has_tools: bool) -> None:  # noqa: FBT001  drawn
    intent = read_intent(texts, prompt_tokens=prompt, room=room, has_tools=has_tools)

    assert tier_groups(intent)
    assert not intent.security_sensitive
