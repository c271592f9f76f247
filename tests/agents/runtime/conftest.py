"""A coder, and a piece of code to write."""

import sys
from pathlib import Path

import pytest
from pytest_django import Settings

from agents.roster.models import Agent
from core.registry import Assignment, RepoRef
from tests.builders import a_repository, an_agent, an_assignment

CODER = {"tools": ["list_files", "read_file", "write_file", "search", "run"]}


@pytest.fixture(autouse=True)
def work_dir(settings: Settings, tmp_path: Path) -> Path:
    """Keep workspaces and blobs in a folder of the test."""
    settings.WORK_DIR, settings.BLOBS_DIR = tmp_path / "work", tmp_path / "blobs"
    return tmp_path / "work"


@pytest.fixture
def rex() -> Agent:
    """Return a coder."""
    return an_agent("Rex", front=CODER)


@pytest.fixture
def job(rex: Agent, tmp_path: Path) -> Assignment:
    """Return a piece of code to write in a repository."""
    ref = RepoRef(a_repository(tmp_path / "bare.git"), "main", "agent/api", ("ping/**",))
    return an_assignment(rex, workspace=ref, inputs={"upstream": {}, "arguments": {"python": sys.executable}})
