"""Every blob has exactly one kind, and its facts come through one door."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregation.blob_kinds import SNIFF_BYTES, BlobKind, facts_of, sniff
from aggregation.errors import LayoutMismatch, UnknownBlob
from aggregation.layouts import LAYOUT_BYTES_MAX, layout_facts, update_form
from aggregation.model_file import encode_model, model_facts, write_view
from aggregation.reports import report_facts
from aggregation.update_file import encode_update, update_facts
from ledger.blobs import BlobFacts
from ledger.encoding import encode
from ledger.errors import InputError, TooLarge
from ledger.tasks import Layout, Mean, Role, TensorSpec
from tests.aggregation.cases import SMALL, arrays, layouts, one_weight, recipe, run, zero_model, zero_row

LAYOUT = encode(SMALL)
UPDATE = encode_update(SMALL, zero_row(SMALL))
MODEL = encode_model(SMALL, arrays(zero_model(SMALL), np.int64))
REPORT = run(recipe(one_weight(1), Mean(), [{"w": [1]}]))[0].report
BLOBS = {BlobKind.LAYOUT: LAYOUT, BlobKind.UPDATE: UPDATE, BlobKind.MODEL: MODEL, BlobKind.REPORT: REPORT}


@pytest.mark.parametrize("kind", BlobKind)
def test_the_beginning_tells_the_kind(kind: BlobKind) -> None:
    assert sniff(BLOBS[kind][:SNIFF_BYTES]) is kind


@given(layouts())
@settings(deadline=None, max_examples=40)
def test_every_layout_and_its_files_are_recognised(layout: Layout) -> None:
    model = arrays(zero_model(layout), np.int64)
    blobs = (encode(layout), encode_update(layout, zero_row(layout)), encode_model(layout, model))
    kinds = [sniff(blob[:SNIFF_BYTES]) for blob in blobs]
    assert kinds == [BlobKind.LAYOUT, BlobKind.UPDATE, BlobKind.MODEL]


def test_the_longest_name_fits_what_is_sniffed() -> None:
    tensor = TensorSpec(name="n" * 128, shape=(1,), exponent=20, role=Role.WEIGHT)
    layout = Layout(tensors=(tensor,))
    assert sniff(encode_update(layout, zero_row(layout))[:SNIFF_BYTES]) is BlobKind.UPDATE


def view_of_model() -> bytes:
    chunks: list[bytes] = []
    write_view(MODEL, SMALL, chunks.append)
    return b"".join(chunks)


@pytest.mark.parametrize(
    "data", [b"", b"\x92", b"\x92\xb0quorate-layout-2", b"\x80\x04\x95", b"PK\x03\x04", bytes(200), view_of_model()]
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(UnknownBlob):
        facts_of(data, SMALL)


@pytest.mark.parametrize("wrap", [bytes, memoryview])
def test_facts_come_from_the_function_of_the_kind(wrap: type[bytes | memoryview]) -> None:
    expected: dict[BlobKind, BlobFacts] = {
        BlobKind.LAYOUT: layout_facts(SMALL),
        BlobKind.UPDATE: update_facts(UPDATE, SMALL),
        BlobKind.MODEL: model_facts(MODEL, SMALL),
        BlobKind.REPORT: report_facts(REPORT),
    }
    assert {kind: facts_of(wrap(blob), SMALL) for kind, blob in BLOBS.items()} == expected


@pytest.mark.parametrize("kind", [BlobKind.LAYOUT, BlobKind.REPORT])
def test_layouts_and_reports_need_no_layout(kind: BlobKind) -> None:
    assert facts_of(BLOBS[kind], None) == facts_of(BLOBS[kind], SMALL)


@pytest.mark.parametrize("kind", [BlobKind.UPDATE, BlobKind.MODEL])
def test_files_without_a_layout_are_refused(kind: BlobKind) -> None:
    with pytest.raises(LayoutMismatch, match=kind.value):
        facts_of(BLOBS[kind], None)


@pytest.mark.parametrize("kind", [BlobKind.LAYOUT, BlobKind.REPORT])
def test_a_huge_blob_is_refused_before_it_is_copied(kind: BlobKind) -> None:
    with pytest.raises(TooLarge):
        facts_of(BLOBS[kind] + bytes(LAYOUT_BYTES_MAX), None)


def test_a_file_of_mixed_element_types_is_refused() -> None:
    data = UPDATE[:8] + UPDATE[8:].replace(b"I32", b"I64", 1)
    with pytest.raises(LayoutMismatch):
        facts_of(data, SMALL)


def refusal(data: bytes) -> str:
    """Return what the refusal says, empty if there is none; any other exception escapes."""
    try:
        facts_of(data, SMALL)
    except InputError as error:
        return str(error)
    return ""


@given(st.sampled_from(BlobKind), st.data())
@settings(deadline=None, max_examples=200)
def test_hostile_blobs_raise_nothing_but_input_errors(kind: BlobKind, data: st.DataObject) -> None:
    mutated = bytearray(BLOBS[kind])
    for _ in range(data.draw(st.integers(1, 3))):
        mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    hostile = bytes(mutated[: data.draw(st.integers(0, len(mutated)))])
    assert len(refusal(hostile)) < 600
    assert refusal(hostile).isprintable()


@given(st.integers(0, len(UPDATE) - 1), st.integers(1, 255))
@settings(deadline=None, max_examples=200)
def test_a_changed_byte_of_an_update_is_refused_or_is_another_update(place: int, change: int) -> None:
    mutated = bytearray(UPDATE)
    mutated[place] ^= change
    try:
        facts = facts_of(bytes(mutated), SMALL)
    except InputError:
        return
    assert place >= len(update_form(SMALL).head)
    assert facts != update_facts(UPDATE, SMALL)
