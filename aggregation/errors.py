"""What aggregation refuses, below `ledger.errors.InputError`: the bytes or values are wrong and stay so.

InputError
├── InvalidLayout         a layout that no file could follow
├── InvalidReport         a report that contradicts itself
├── UnknownBlob           neither layout, update, model nor report
├── NotCanonicalFile      describes the right tensors, in another byte form
├── LayoutMismatch        has other tensors than the layout
├── ValueOutOfRange       an integer or weight beyond its bound; never saturated
├── NotFinite             NaN or infinity where a participant's numbers are turned into integers
├── InvalidInputs         inputs that are not one weighted update per participant
│   └── TooFewUpdates     not more than 2b of them
└── GlobalModelOverflow   the new model would pass its bound: the round ends void
"""

from ledger.errors import InputError


class InvalidLayout(InputError):
    """The tensors of a layout are out of order, too many, or hold nothing to learn."""

    code = "invalid-layout"


class InvalidReport(InputError):
    """The records of an aggregation report contradict each other or its inputs root."""

    code = "invalid-report"


class UnknownBlob(InputError):
    """A blob begins like none of the kinds that can be recorded."""

    code = "unknown-blob"
    hint = "Layouts, updates, models and reports can be recorded; a float32 view is derived from its model."


class NotCanonicalFile(InputError):
    """A file holds the tensors of its layout in another byte form than the one there is."""

    code = "blob-not-canonical"
    hint = "Write files with the SDK; ordinary safetensors writers sort and pad differently."


class LayoutMismatch(InputError):
    """Tensors have other names, shapes or element types than the layout says."""

    code = "layout-mismatch"


class ValueOutOfRange(InputError):
    """A number lies beyond the bound that the arithmetic is proved for; it is refused, never saturated."""

    code = "value-out-of-range"
    hint = "Train with a smaller step or register a layout with smaller exponents."


class NotFinite(InputError):
    """NaN or infinity among numbers that are to become integers."""

    code = "not-finite"
    hint = "Training has diverged: lower the learning rate or clip gradients."


class InvalidInputs(InputError):
    """The inputs of an aggregation are not one weighted update per participant."""

    code = "invalid-inputs"


class TooFewUpdates(InvalidInputs):
    """A rule that tolerates b hostile participants needs more than 2b updates."""

    code = "too-few-updates"


class GlobalModelOverflow(InputError):
    """Base plus combination passes the model's bound of 2^20; what was written so far is worthless."""

    code = "global-model-overflow"
