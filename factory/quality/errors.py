"""Why quality refuses."""

from core.errors import FactoryError


class CriterionInvalid(FactoryError):
    """A criterion is not a typed journey that code can drive."""

    code = "CRITERION_INVALID"
    http_status = 422


class ProductNotRunning(FactoryError):
    """The product did not start, so nothing could be measured."""

    code = "PRODUCT_NOT_RUNNING"
