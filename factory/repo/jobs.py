"""What work asks of repositories.

Results name trees, never commits: agents read them, and equal files must give equal prompts.
"""

from core.registry import ArtifactDraft, Assignment, Outcome, Stop, every, register_job
from factory.repo.services import found_repository, merge_offered, repository_of

every(0.3, name="repo.merge_lane")(merge_offered)


@register_job("repo.scaffold", queue="build")
def scaffold(assignment: Assignment, stop: Stop, /) -> Outcome:
    """Found the product's repository from its template."""
    arguments = assignment.inputs["arguments"]
    commit = found_repository(arguments["product_id"], template=arguments["template"])
    tree = repository_of(arguments["product_id"]).tree_of(commit)
    return Outcome(kind="done", result={"tree": tree})


@register_job("repo.package", queue="build")
def package(assignment: Assignment, stop: Stop, /) -> Outcome:
    """Pack what main stands at: the one thing that is tested and released from here on."""
    repository = repository_of(assignment.inputs["arguments"]["product_id"])
    commit = repository.tip()
    tree = repository.tree_of(commit)
    draft = ArtifactDraft(
        kind="release",
        name="release.tar",
        content=repository.archive(commit),
        facts={"commit": commit, "tree": tree},
        media_type="application/x-tar",
    )
    return Outcome(kind="done", result={"tree": tree}, artifacts=(draft,))
