"""Why quality refuses."""

from core.errors import FactoryError


class CriterionInvalid(FactoryError):
    """A criterion is not a typed journey that code can drive."""

    code = "CRITERION_INVALID"
    http_status = 422


class NothingToJudge(FactoryError):
    """No release, or nobody's work in it, lies before the judge."""

    code = "NOTHING_TO_JUDGE"


class ReviewNotIndependent(FactoryError):
    """Who reviews must be another agent, on models of another provider."""

    code = "REVIEW_NOT_INDEPENDENT"


class ProductNotRunning(FactoryError):
    """The product did not start, so nothing could be measured."""

    code = "PRODUCT_NOT_RUNNING"
