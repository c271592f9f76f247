"""REST doors of repositories: what reached each product's main line."""

from core.api.routes import Doors
from core.api.rows import Row, Rows
from factory.repo.models import Merge


class MergeOut(Row[Merge]):
    """One accepted change."""

    class Meta:
        """What is shown."""

        model = Merge
        fields = ("id", "attempt", "commit", "files", "at")


class MergeDoor(Rows):
    """Accepted changes."""

    serializer_class = MergeOut
    queryset = Merge.objects.all()
    filterset_fields = ("attempt", "commit")


DOORS: Doors = {"merges": MergeDoor}
