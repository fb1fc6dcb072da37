"""Configuration: closed, typed, with an origin for every value."""

from pathlib import Path

import pytest

from ledger.errors import ConfigurationError
from node.config import Configuration, load


def written(folder: Path, text: str) -> Path:
    file = folder / "node.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    loaded = load(written(tmp_path, ""), environment={})
    assert loaded.configuration == Configuration()
    assert set(loaded.origins.values()) == {"default"}


def test_option_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    file = written(tmp_path, "[timing]\nview_ms = 2\nresend_ms = 2\nfetch_ms = 2\n")
    environment = {"QUORATE_TIMING__RESEND_MS": "3", "QUORATE_TIMING__FETCH_MS": "3", "PATH": "/bin"}
    loaded = load(file, environment=environment, options={"timing.fetch_ms": "4"})
    timing = loaded.configuration.timing
    assert (timing.status_ms, timing.view_ms, timing.resend_ms, timing.fetch_ms) == (1000, 2, 3, 4)
    origins = {name: origin for name, _, origin in loaded.rows() if name.startswith("timing.")}
    assert origins == {
        "timing.status_ms": "default",
        "timing.view_ms": "file node.toml",
        "timing.resend_ms": "environment QUORATE_TIMING__RESEND_MS",
        "timing.fetch_ms": "option timing.fetch_ms",
    }


def test_rows_show_every_setting_once(tmp_path: Path) -> None:
    names = [name for name, _, _ in load(written(tmp_path, ""), environment={}).rows()]
    assert len(names) == len(set(names))
    assert "limits.blob_bytes_max" in names


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[limits]\nblob_byte_max = 1\n", "did you mean blob_bytes_max?"),
        ("[limit]\nblob_bytes_max = 1\n", "did you mean limits?"),
        ("[limit]\n", "did you mean limits?"),
        ("colour = 1\n", "expected a table"),
        ("[limits]\nblob_bytes_max = 0\n", ">= 1"),
        ("[limits]\nblob_bytes_max = 'much'\n", "$.limits.blob_bytes_max"),
        ("[limits]\nblob_bytes_max = 9\nauthor_bytes_max = 8\n", "blob_bytes_max <= author_bytes_max"),
        ("[link]\nlisten = '127.0.0.1'\n", "$.link.listen"),
        ("[log]\nformat = 'xml'\n", "$.log.format"),
        ("[alarms]\ndisk_free_bytes_warn = 1\n", "disk_free_bytes_min <= disk_free_bytes_warn"),
        ("[link\n", "is not TOML"),
        ("[link]\nframe_bytes_max = 9\nqueue_bytes_max = 8\n", "frame_bytes_max <= queue_bytes_max"),
        ("[link]\nframe_bytes_max = 4294967296\nqueue_bytes_max = 4294967296\n", "$.link.frame_bytes_max"),
    ],
)
def test_a_wrong_file_is_refused_with_what_was_expected(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(written(tmp_path, text), environment={})
    assert said in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"node\.toml"):
        load(tmp_path / "node.toml", environment={})


def test_an_unknown_environment_setting_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="QUORATE_TIMING__VEIW_MS"):
        load(written(tmp_path, ""), environment={"QUORATE_TIMING__VEIW_MS": "1"})


def test_environment_of_other_commands_is_left_alone(tmp_path: Path) -> None:
    loaded = load(written(tmp_path, ""), environment={"QUORATE_NODE": "http://127.0.0.1:1", "QUORATE_HOME": "/x"})
    assert loaded.configuration == Configuration()


def test_a_wrong_value_is_blamed_on_where_it_came_from(tmp_path: Path) -> None:
    file = written(tmp_path, "[timing]\nview_ms = 2\n")
    with pytest.raises(ConfigurationError, match=r"^environment QUORATE_TIMING__VIEW_MS: .*timing\.view_ms"):
        load(file, environment={"QUORATE_TIMING__VIEW_MS": "soon"})
    with pytest.raises(ConfigurationError, match=r"^option timing\.view_ms: .*timing\.view_ms"):
        load(file, environment={"QUORATE_TIMING__VIEW_MS": "soon"}, options={"timing.view_ms": "0"})
    with pytest.raises(ConfigurationError, match=r"^option view_ms: unknown table \[view_ms\]"):
        load(file, environment={}, options={"view_ms": "1"})


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Is a directory"):
        load(tmp_path, environment={})
