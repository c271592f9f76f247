"""What changes signals, opportunities, tests and products; nothing else does."""

from portfolio.services.opportunities import (
    approve_opportunity,
    decline_opportunity,
    record_idea,
    score_opportunity,
    validate_opportunity,
)
from portfolio.services.products import (
    adopt_blueprint,
    change_stage,
    freeze_product,
    open_product,
    place_product,
    thaw_product,
)
from portfolio.services.scans import Findings, look_at_signals, record_signals, scan_report, scan_signals

__all__ = [
    "Findings",
    "adopt_blueprint",
    "approve_opportunity",
    "change_stage",
    "decline_opportunity",
    "freeze_product",
    "look_at_signals",
    "open_product",
    "place_product",
    "record_idea",
    "record_signals",
    "scan_report",
    "scan_signals",
    "score_opportunity",
    "thaw_product",
    "validate_opportunity",
]  # fmt: skip
