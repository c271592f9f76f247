"""Signals, what they are evidence of, how it was tested, and the products that came of it."""

from portfolio.models.opportunities import Evidence, Opportunity, OpportunityQuerySet, ValidationTest
from portfolio.models.products import Product, ProductQuerySet, StageChange
from portfolio.models.signals import Meaning, Scan, Signal

__all__ = [
    "Evidence", "Meaning", "Opportunity", "OpportunityQuerySet", "Product", "ProductQuerySet", "Scan", "Signal",
    "StageChange", "ValidationTest",
]  # fmt: skip
