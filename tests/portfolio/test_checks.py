"""What doctor is told."""

from pathlib import Path

from django.test import override_settings

from portfolio.checks import check_model


def test_a_missing_model_is_reported_with_its_cure(tmp_path: Path, model: Path) -> None:
    here = check_model()
    with override_settings(SHARED_DIR=tmp_path):
        gone = check_model()

    assert model.is_dir()
    assert here.state == "fine"
    assert (gone.state, gone.cure) == ("fail", "scripts/fetch-model")
    assert "model.safetensors" in gone.words
