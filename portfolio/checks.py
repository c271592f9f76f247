"""What doctor asks the portfolio."""

from core.registry import Finding, register_check
from portfolio.adapters import shipped
from portfolio.adapters.child import MODEL_FILES


@register_check("sentence model")
def check_model() -> Finding:
    """Signals are grouped by a model that must stand on this machine."""
    folder = shipped.model_folder()
    missing = [name for name in MODEL_FILES if not (folder / name).is_file()]
    if missing:
        return Finding(
            "fail", f"Signals cannot be grouped: {', '.join(missing)} is missing.", "scripts/fetch-model"
        )
    return Finding("fine", "The sentence model is here.")
