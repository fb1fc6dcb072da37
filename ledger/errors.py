"""One error tree: every exception that normal operation may raise.

    QuorateError
    ├── InputError                 the caller's bytes or values are wrong; sending them again changes nothing
    │   ├── MalformedEncoding      not the byte form of the type that was expected
    │   ├── NonCanonicalEncoding   decodes, but encoding it again gives other bytes
    │   ├── TooLarge               over a limit that is checked before reading or allocating
    │   └── InvalidSignature       does not verify under the key that is named
    │       └── WrongChain         signed for another chain
    ├── InvalidTransaction         can never enter a block that follows the tip (contracts.validity)
    ├── VerificationFailed         evidence contradicts itself or its signatures: tampered
    │   ├── InvalidProof           a Merkle path does not lead to the root
    │   ├── InvalidCertificate     not a quorum of valid votes for one digest in one view
    │   ├── InvalidEvidence        not two signatures of one validator that contradict each other
    │   └── InvalidBlock           a block breaks a rule of the chain
    ├── Undecidable                evidence is missing: neither verified nor tampered
    └── ConfigurationError         a file or option of the operator is wrong

Other packages add their own branches below these. Each class has a stable `code` (problem documents and
`docs/errors.md` use it), an HTTP status and a process exit code; each instance says what was expected and what came.
Anything else that escapes is a bug of ours.
"""

from typing import ClassVar

PART_CHARACTERS_MAX = 500
"""Of each part of an error's text: what came may be megabytes, and texts go to logs and callers."""


class QuorateError(Exception):
    """Base of every error that normal operation may raise."""

    code: ClassVar[str] = "error"
    """Stable name, used in problem documents (`/problems/{code}`) and in JSON output."""
    http_status: ClassVar[int] = 500
    """Status that the REST interface answers with."""
    exit_code: ClassVar[int] = 1
    """Exit code of the command line (PROVENANCE.md): 1 negative verdict, 2 usage, 3 undecided, 4 auth, 5 not found."""
    hint: ClassVar[str] = ""
    """What to do about it, where that is the same every time."""

    def __init__(self, what: str, *, expected: object = None, got: object = None) -> None:
        self.what = what
        self.expected = expected
        self.got = got
        message = _brief(what)
        if expected is not None or got is not None:
            message = f"{message}: expected {_brief(expected)}, got {_brief(got)}"
        super().__init__(message)


def _brief(part: object) -> str:
    text = str(part)
    return text if len(text) <= PART_CHARACTERS_MAX else f"{text[:PART_CHARACTERS_MAX]}..."


class InputError(QuorateError):
    """Bytes or values from a caller are wrong; sending the same again changes nothing."""

    code = "input"
    http_status = 422


class MalformedEncoding(InputError):
    """Bytes are not the encoding of the expected type."""

    code = "malformed-encoding"
    http_status = 400


class NonCanonicalEncoding(InputError):
    """Bytes decode, but encoding the value again gives other bytes."""

    code = "non-canonical-encoding"
    http_status = 400
    hint = "Encode with the SDK; there is exactly one byte form per value."


class TooLarge(InputError):
    """Input exceeds a limit; it was refused before being read or allocated."""

    code = "too-large"
    http_status = 413


class InvalidSignature(InputError):
    """A signature does not verify under the key it names."""

    code = "invalid-signature"
    http_status = 403
    exit_code = 1


class WrongChain(InvalidSignature):
    """The statement was made for another chain."""

    code = "wrong-chain"
    http_status = 422
    hint = "Compare `quorate genesis show` with the other members': the chain id is the digest of that file."


class VerificationFailed(QuorateError):
    """Evidence contradicts itself or its signatures: it was tampered with, or never valid."""

    code = "verification-failed"
    http_status = 422


class InvalidProof(VerificationFailed):
    """A Merkle path does not lead from the value to the root."""

    code = "invalid-proof"


class InvalidCertificate(VerificationFailed):
    """A certificate is not a quorum of valid votes of one view for one digest."""

    code = "invalid-certificate"


class InvalidEvidence(VerificationFailed):
    """Evidence against a validator is not two signatures of it that contradict each other."""

    code = "invalid-evidence"


class InvalidBlock(VerificationFailed):
    """A block breaks a rule that every validator checks."""

    code = "invalid-block"


class Undecidable(QuorateError):
    """Evidence that a decision needs is missing; nothing is known to be wrong."""

    code = "undecidable"
    http_status = 503
    exit_code = 3


class ConfigurationError(QuorateError):
    """A file, key or option given by the operator is wrong."""

    code = "configuration"
    http_status = 500
    exit_code = 2


class InvalidTransaction(QuorateError):
    """A transaction that can never enter a block after the current tip (`contracts.validity` lists the reasons)."""

    code = "invalid-transaction"
    http_status = 422
