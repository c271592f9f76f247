"""The four ways up, and the assignment they share."""

from core.registry.actions import Action, check_arguments, find_action, register_action
from core.registry.assignments import (
    ArtifactDraft,
    Assignment,
    Json,
    Limits,
    Outcome,
    OutcomeKind,
    Question,
    RepoRef,
    Shortage,
    Stop,
)
from core.registry.checks import Finding, register_check, run_checks
from core.registry.jobs import Chore, Job, Post, chores, every, find_job, is_job, post_of, register_job
from core.registry.queues import QUEUES, Runner, find_runner, runs_queues
from core.registry.settings import SETTINGS, Setting, find_setting
from core.registry.tasks import TaskSpec, Workspace
from core.registry.tools import Tool, ToolContext, ToolResult, find_tool, register_tool, tool_names

__all__ = [
    "QUEUES", "SETTINGS", "Action", "ArtifactDraft", "Assignment", "Chore", "Finding", "Job", "Json", "Limits",
    "Outcome", "OutcomeKind", "Post", "Question", "RepoRef", "Runner", "Setting", "Shortage", "Stop", "TaskSpec", "Tool",
    "ToolContext", "ToolResult", "Workspace", "check_arguments", "chores", "every", "find_action", "find_job", "find_runner",
    "find_setting", "find_tool", "is_job", "post_of", "register_action", "register_check", "register_job",
    "register_tool", "run_checks", "runs_queues", "tool_names",
]  # fmt: skip
