"""The landscape and the data files of this installation."""

from functools import cache
from pathlib import Path

from django.conf import settings

from portfolio.adapters.child import ChildLandscape
from portfolio.adapters.scan_data import ScanData, load_scan_data


@cache
def scan_data() -> ScanData:
    """Give the data files of a scan, read once."""
    return load_scan_data(Path(settings.DATA_DIR) / "scan")


def model_folder() -> Path:
    """Give where the sentence model stands."""
    return Path(settings.SHARED_DIR) / "models" / "minilm-l6-v2"


def landscape() -> ChildLandscape:
    """Give the landscape read with this installation's model."""
    return _landscape(model_folder())


@cache
def _landscape(model: Path) -> ChildLandscape:
    data = scan_data()
    return ChildLandscape(model=model, mean=data.mean, prototypes=data.prototypes)


def traffic_folder() -> Path:
    """Give where recorded traffic and the list of throw-away domains stand."""
    return Path(settings.DATA_DIR) / "traffic"
