"""A product's repository takes what keeps to its part, refuses the rest, and never loses main."""

from pathlib import Path

import pytest

from core.adapters import git
from factory.repo.adapters.bare import BareRepository, Change
from factory.repo.errors import MergeRefused


@pytest.fixture
def repository(tmp_path: Path) -> BareRepository:
    """Return a repository with one file."""
    tree = tmp_path / "template"
    tree.mkdir()
    (tree / "home.txt").write_text("one\ntwo\nthree\n")
    made = BareRepository(tmp_path / "repos" / "p.git")
    made.found(tree, title="Skeleton", trailers={"Template": "t"})
    return made


def an_offer(
    repository: BareRepository, files: dict[str, str], *, name: str = "1", base: str = "", link: str = ""
) -> Change:
    """Return what an agent would offer after writing `files` on `base`."""
    clone = repository.path.parent / f"clone-{name}"
    git.run("clone", "-q", "--no-hardlinks", str(repository.path), str(clone), cwd=repository.path.parent)
    git.run("checkout", "-q", "-B", "agent/1", base or repository.tip(), cwd=clone)
    for path, text in files.items():
        (clone / path).parent.mkdir(parents=True, exist_ok=True)
        (clone / path).write_text(text)
    for target in filter(None, [link]):
        (clone / "api" / "link").parent.mkdir(exist_ok=True)
        (clone / "api" / "link").symlink_to(target)
    git.run("add", "-A", cwd=clone)
    git.run("commit", "-q", "-m", "work", cwd=clone, who="Rex")
    git.run("bundle", "create", "-q", "../offer.bundle", "HEAD", cwd=clone)
    bundle = (clone.parent / "offer.bundle").read_bytes()
    return Change(
        name=name, title="Work", bundle=bundle, may_write=("api/**", "home.txt"), trailers={"Agent": "Rex"}
    )


def test_a_change_inside_its_part_reaches_main_with_its_trailers(repository: BareRepository) -> None:
    merged = repository.merge(an_offer(repository, {"api/views.py": "x = 1\n"}))

    assert merged.files == ("api/views.py",)
    assert repository.text_of("main", "api/views.py") == "x = 1"
    assert "Agent: Rex" in git.run("log", "-1", "--format=%B", "main", cwd=repository.path).text


def test_two_changes_from_the_same_start_both_stay(repository: BareRepository) -> None:
    start = repository.tip()
    first = an_offer(repository, {"api/a.py": "a\n"}, name="1", base=start)
    second = an_offer(repository, {"api/b.py": "b\n"}, name="2", base=start)

    repository.merge(first)
    repository.merge(second)

    assert set(repository.files("main")) == {"api/a.py", "api/b.py", "home.txt"}


def test_merging_the_same_change_again_changes_nothing(repository: BareRepository) -> None:
    offer = an_offer(repository, {"api/a.py": "a\n"})

    first, again = repository.merge(offer), repository.merge(offer)

    assert again.commit == first.commit == repository.tip()


def test_a_change_outside_its_part_is_refused_and_main_stands(repository: BareRepository) -> None:
    before = repository.tip()

    with pytest.raises(MergeRefused, match=r"pages/x\.py"):
        repository.merge(an_offer(repository, {"pages/x.py": "x\n"}))

    assert repository.tip() == before


def test_a_conflict_is_refused_naming_the_file(repository: BareRepository) -> None:
    start = repository.tip()
    first = an_offer(repository, {"home.txt": "one\nTWO\nthree\n"}, name="1", base=start)
    second = an_offer(repository, {"home.txt": "one\nzwei\nthree\n"}, name="2", base=start)
    repository.merge(first)

    with pytest.raises(MergeRefused, match=r"home\.txt"):
        repository.merge(second)


def test_a_link_is_refused(repository: BareRepository) -> None:
    with pytest.raises(MergeRefused, match="links"):
        repository.merge(an_offer(repository, {"api/a.py": "a\n"}, link="/etc/passwd"))


def test_one_commit_gives_one_archive(repository: BareRepository) -> None:
    assert repository.archive(repository.tip()) == repository.archive(repository.tip())
