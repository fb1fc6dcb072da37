"""What the command line and the verifier add to the error tree of `ledger.errors`.

QuorateError
├── NotOnChain                     nothing of that name, height or id is on the chain
├── ProcessFailed                  a process that was started did not come up, or ended
├── VerificationFailed
│   ├── GenesisDiffers             the evidence begins from another genesis than the trusted one
│   ├── BlobDiffers                a blob's bytes do not hash to its name
│   ├── FactsDiffer                a blob's facts are not those that a quorum signed
│   ├── AttestationsDiffer         a global model lacks the attestations that its record claims
│   ├── CommitteeDiffers           a committee is not the one that the draw gives
│   ├── InputsDiffer               a model's inputs or base are not those its record names
│   └── ModelDiffers               the recipe, applied again, gives other bytes
├── Undecidable
│   └── EvidenceMissing            a block, certificate or blob that the verdict needs is not there
└── ConfigurationError
    ├── UsageError                 the command line itself is wrong
    └── UnsafeModelFile            a model file that is no plain safetensors file
"""

from ledger.errors import ConfigurationError, QuorateError, Undecidable, VerificationFailed


class NotOnChain(QuorateError):
    """Nothing of that name, height or id is on the chain."""

    code = "not-on-chain"
    http_status = 404
    exit_code = 5


class ProcessFailed(QuorateError):
    """A process that was started did not come up in time, or ended by itself."""

    code = "process-failed"
    exit_code = 3
    hint = "Its log says why; `quorate network status` shows where it is."


class GenesisDiffers(VerificationFailed):
    """The evidence begins from another genesis file than the one that is trusted."""

    code = "genesis-differs"
    hint = "Compare the chain id with the other members'; a chain of another name needs its own --genesis."


class BlobDiffers(VerificationFailed):
    """The bytes of a blob do not hash to the digest that names it."""

    code = "blob-differs"


class FactsDiffer(VerificationFailed):
    """The facts of a blob are not those that a quorum of validators signed."""

    code = "facts-differ"


class AttestationsDiffer(VerificationFailed):
    """A global model lacks the equal attestations that its record claims."""

    code = "attestations-differ"


class CommitteeDiffers(VerificationFailed):
    """A round's committee is not the one that the draw gives."""

    code = "committee-differs"


class InputsDiffer(VerificationFailed):
    """A global model's inputs or base are not those that its record names."""

    code = "inputs-differ"


class ModelDiffers(VerificationFailed):
    """The recipe, applied again to the same inputs, gives other bytes than those attested."""

    code = "model-differs"


class EvidenceMissing(Undecidable):
    """A block, certificate or blob that the verdict needs is not there; nothing is known to be wrong."""

    code = "evidence-missing"


class UsageError(ConfigurationError):
    """The command line itself is wrong."""

    code = "usage"


class UnsafeModelFile(ConfigurationError):
    """A file is no plain safetensors file; nothing in it was executed, and nothing ever is."""

    code = "unsafe-model-file"
    hint = "Save it with safetensors.torch.save_file(model.state_dict(), FILE); pickles are never read."
