"""What transport raises: the network's failures, and refusals of whoever is at the other end.

QuorateError
├── InputError
│   └── TooLarge
│       └── FrameTooLarge      over the limit of a frame; none of it was read
├── ConfigurationError
│   └── UnusableCredential     the file of our own link key and certificate
└── LinkError
    ├── LinkRefused            not who, or not what, must be at the other end
    │   └── OtherChain         a validator of ours, greeting for another chain or protocol version
    ├── ProtocolBroken         a validator sent what the link protocol forbids
    ├── LinkFailed             the network or the other process failed; another try may help
    │   └── TruncatedFrame     the connection ended inside a frame
    └── BlobNotHere            the peer does not hold the blob
"""

from ledger.errors import ConfigurationError, QuorateError, TooLarge


class FrameTooLarge(TooLarge):
    """A frame is longer than its link allows."""

    code = "frame-too-large"


class UnusableCredential(ConfigurationError):
    """The file with this validator's link key and certificate cannot be used."""

    code = "unusable-link-credential"
    hint = "The file holds an unencrypted private key and the certificate that the validator set records, both in PEM."


class LinkError(QuorateError):
    """Base of what goes wrong with the other end of a link."""

    code = "link"
    http_status = 502


class LinkRefused(LinkError):
    """Whoever is at the other end is not the validator that must be there, or does not speak our TLS."""

    code = "link-refused"
    hint = "Compare the peer's address and its link certificate with the validator set."


class OtherChain(LinkRefused):
    """A validator greets for another chain, or for another version of the protocol."""

    code = "other-chain"
    hint = "Compare `quorate genesis show` and the release with those of the other member."


class ProtocolBroken(LinkError):
    """A validator sent what the link protocol forbids."""

    code = "link-protocol-broken"


class LinkFailed(LinkError):
    """The network or the other process failed; another try may succeed."""

    code = "link-failed"
    http_status = 503
    exit_code = 3


class TruncatedFrame(LinkFailed):
    """The connection ended inside a frame."""

    code = "truncated-frame"


class BlobNotHere(LinkError):
    """The peer that was asked does not hold the blob; another one may."""

    code = "blob-not-here"
    http_status = 404
    exit_code = 5
