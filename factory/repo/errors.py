"""Why a change does not reach a product's main line."""

from core.errors import FactoryError


class MergeRefused(FactoryError):
    """This change cannot be merged as it is."""

    code = "MERGE_REFUSED"


class TemplateUnknown(FactoryError):
    """There is no product template of this name."""

    code = "TEMPLATE_UNKNOWN"
    http_status = 404
