"""Room on the disk: what was found while there was none is not believed."""

from pathlib import Path

import pytest

from core.adapters.disk import LOOK_S, has_room, needing_room
from core.errors import BadArguments, DiskFull
from core.registry import Stop


def test_with_room_the_block_is_believed(tmp_path: Path) -> None:
    with needing_room(tmp_path, what="to look"):
        seen = has_room(tmp_path)

    assert seen


def test_with_room_a_fault_of_the_block_stays_its_own(tmp_path: Path) -> None:
    with pytest.raises(BadArguments), needing_room(tmp_path, what="to look"):
        raise BadArguments(why="wrong")


def test_a_disk_that_was_away_for_a_moment_makes_whatever_was_found_void(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()

    with pytest.raises(DiskFull) as refusal:
        find_a_fault_while_the_disk_is_away(folder)

    assert refusal.value.misses == "disk"
    assert refusal.value.facts == {"while_trying": "to try it"}


def find_a_fault_while_the_disk_is_away(folder: Path) -> None:
    """Look at something on a disk that goes and comes back meanwhile."""
    with needing_room(folder, what="to try it"):
        folder.rmdir()
        Stop().wait(5 * LOOK_S)
        folder.mkdir()
        raise BadArguments(why="wrong")
