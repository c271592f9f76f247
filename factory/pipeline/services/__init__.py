"""The pipeline's verbs."""

from factory.pipeline.services.build import open_release
from factory.pipeline.services.ventures import begin_venture, decline_build, scan_file, start_from_idea

__all__ = ["begin_venture", "decline_build", "open_release", "scan_file", "start_from_idea"]
