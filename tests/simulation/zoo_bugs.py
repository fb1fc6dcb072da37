"""The bugs of the zoo: each a small named mutation of the engine, by the part of the protocol that it breaks.

Rows B1 to B27 are those of the list of bugs that hit others (docs/reliability.md).
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.simulation.mutation import Mutation


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """A named bug."""

    name: str
    mutations: tuple[Mutation, ...]

    @contextmanager
    def planted(self) -> Iterator[None]:
        """Run the engine with it for a while."""
        with ExitStack() as stack:
            for mutation in self.mutations:
                stack.enter_context(mutation.planted())
            yield


def _change(where: str, *words: str) -> Mutation:
    """Return a mutation of one function: old and new words in turn."""
    return Mutation(where=where, changes=tuple(zip(words[::2], words[1::2], strict=True)))


def _bug(name: str, *mutations: Mutation) -> Bug:
    return Bug(name=name, mutations=mutations)


_RULES = "consensus.safety_rules:SafetyRules."
_TALLY = "consensus.tally:Tally."
_CASE = "consensus.normal_case:"
_VIEWS = "consensus.new_view:"
_CHANGING = "consensus.changing:"
_ANY_NUMBER = _change("ledger.certificates:_check_signers", "len(signers) != needed or ", "")
_ANY_PRIMARY = _change(_RULES + "_check_primary", "is not own", "is 1")
_NO_OMISSION_CHECK = _change(_RULES + "_check_omissions", "held is None or held.view < view", "False")

_FEW_WANT = "if len(wanted) < replica.context.validators.weak_quorum or not replica.safety.may_speak:"

QUORUMS = (
    _bug("B2 quorum of 2f+1 where n is not 3f+1", _change("ledger.quantities:quorum", "// 2 + 1", "// 2")),
    _bug(
        "quorum of 2f",
        _change(
            "ledger.quantities:quorum", "(validators + faulty_max(validators)) // 2 + 1", "2 * faulty_max(validators)"
        ),
    ),
    _bug(
        "B2 commit certificate of a quorum less one",
        _change(
            _TALLY + "committed",
            "len(slot.commits) >= quorum]",
            "len(slot.commits) >= quorum - 1]",
            "[:quorum]",
            "[: quorum - 1]",
            "== quorum",
            "== quorum - 1",
        ),
        _ANY_NUMBER,
    ),
    _bug(
        "prepared with one backup too few",
        _change(
            _TALLY + "prepared",
            "len(slot.prepares) < quorum - 1",
            "len(slot.prepares) < quorum - 2",
            "[: quorum - 1]",
            "[: quorum - 2]",
            "len(prepares) < quorum - 1",
            "len(prepares) < quorum - 2",
        ),
        _ANY_NUMBER,
    ),
    _bug(
        "the primary's own prepare counts",
        _change(_TALLY + "add", "vote.kind is VoteKind.PREPARE and who == primary", "False"),
        _change("ledger.certificates:PreparedCertificate.verify", "if primary in signers", "if False"),
        _change(
            _RULES + "_propose",
            "self._signer.admit(vote)",
            "self._signer.admit(vote)\n"
            "    if kind is VoteKind.PRE_PREPARE:\n"
            "        self._signer.admit(self._vote(VoteKind.PREPARE, header.height, header.digest))",
        ),
    ),
    _bug(
        "B5 one signer counted twice",
        _change("ledger.certificates:_check_signers", "signers != sorted(set(signers))", "False"),
        _change(
            "tests.simulation.byzantine:Liar._specific",
            "case Status():",
            "case Finality():\n"
            "            commits = message.certificate.commits\n"
            "            forged = replace(message.certificate, height=message.certificate.height + 1,"
            " digest=sha256(b'forged'), commits=(commits[0],) * len(commits))\n"
            "            return [replace(message, certificate=forged)]\n"
            "        case Status():",
        ),
        _change("ledger.certificates:_verify_proof", "proof.verify(", "False and proof.verify("),
    ),
    _bug(
        "certificate mixed over views",
        _change(
            _TALLY + "committed",
            "slot = self._slots[view, height]",
            "slot = self._slots[view, height]\n"
            "        for (_, other), more in self._slots.items():\n"
            "            if other == height:\n"
            "                slot.commits.update(more.commits)",
        ),
    ),
    _bug(
        "signature cache that leaves the signature out",
        _change(
            "ledger.votes:VoteBundle.verify",
            "_verify(key, self.signature, payload, chain_id)",
            "known = globals().setdefault('KNOWN', set())\n"
            "    if payload not in known:\n"
            "        _verify(key, self.signature, payload, chain_id)\n"
            "        known.add(payload)",
        ),
    ),
)

VOTES = (
    _bug(
        "commit without a prepared certificate",
        _change(
            _RULES + "commit",
            "held is None or held.view != self._view or held.header.digest != vote.digest",
            "False",
        ),
        _change(
            _CASE + "_commit",
            "if certificate is None:\n            return\n",
            "if certificate is not None:\n",
            "        replica.safety.hold(certificate)",
            "            replica.safety.hold(certificate)",
            "        out.persist.append(PreparedRecord",
            "            out.persist.append(PreparedRecord",
        ),
    ),
    _bug(
        "commit without the prefix rule",
        _change(
            _RULES + "may_commit",
            "return self._committed.get((self._view, Height(header.height - 1))) == header.parent",
            "return True",
        ),
    ),
    _bug(
        "prefix from another view",
        _change(
            _RULES + "may_commit",
            "return self._committed.get((self._view, Height(header.height - 1))) == header.parent",
            "return header.parent in self._committed.values()",
        ),
    ),
    _bug(
        "votes at or below the base",
        _change(_RULES + "_check_height", "self._head.height < self._start.base.height", "False"),
        _change(
            "consensus.replica:Replica.may_vote",
            "start is not None and start.base.height <= self.head.height",
            "start is not None",
        ),
    ),
    _bug(
        "votes in a view that was left",
        _change(_RULES + "_leave", "self._signer.drop()", "pass"),
    ),
    _bug(
        "votes in a view that it has not entered",
        _change(_RULES + "_leave", "self._start = None", "pass"),
    ),
    _bug(
        "a second proposal of one primary is accepted",
        _change(
            _TALLY + "add",
            "if earlier is None:\n            slot.pre_prepare",
            "if True:\n            slot.pre_prepare",
        ),
        _change(_CASE + "_assigned", "if allowed not in {None, cast[0]}:", "if False:"),
        _change(
            _CASE + "advance",
            "height not in replica.accepted and not _accept(replica, height, now, out)",
            "not _accept(replica, height, now, out) and height not in replica.accepted",
        ),
        _change(_RULES + "_propose", "if earlier is not None:", "if earlier == vote.digest:"),
    ),
    _bug(
        "votes for another block than NEW-VIEW carried over",
        _change(
            _CASE + "_assigned",
            "allowed = replica.safety.proposed(height) if choice is None else choice.digest",
            "allowed = None",
        ),
        _change(
            "consensus.replica:Replica.choice_at", "choices = () if start is None else start.choices", "choices = ()"
        ),
        _change(_RULES + "_propose", "choice.height == header.height and", "False and"),
        _change(_CASE + "_propose_fresh", "default=Height(0)", "default=Height(0)) * 0 if True else (0"),
    ),
    _bug(
        "child of the block that ends an era prepared early",
        _change(
            "consensus.replica:Follower.is_last",
            "return header.height > self.context.root.height and ends_era(header)",
            "return False",
        ),
        _change(_RULES + "_check_era", "if (header.era, header.validators) != expected:", "if False:"),
        _change(_CASE + "_check_place", "if got != expected:", "if False:"),
    ),
    _bug(
        "bodies are not compared with their header",
        _change("consensus.bodies:check_body", "if root != block.header.transactions_root:", "if False:"),
    ),
)

DURABILITY = (
    _bug(
        "B6 votes leave before they are synced",
        _change("tests.simulation.node:Disk.sync", "self.records += self.unsynced\n    self.unsynced = []", "pass"),
    ),
    _bug(
        "body not stored before PREPARE",
        _change(_CASE + "_vote_for", "out.persist.append(BodyRecord(block=block))", "pass"),
    ),
    _bug(
        "pre-prepare not stored before PREPARE",
        _change(_CASE + "_vote_for", "out.persist.append(PrePrepareRecord(vote=vote, proof=cast[1]))", "pass"),
    ),
    _bug(
        "B7 prepared certificate not stored before COMMIT",
        _change(_CASE + "_commit", "out.persist.append(PreparedRecord(certificate=certificate))", "pass"),
    ),
    _bug(
        "VIEW-CHANGE not stored before it is sent",
        _change(_CHANGING + "give_up", "out.persist.append(ViewChangeRecord(view_change=change))", "pass"),
    ),
    _bug(
        "NEW-VIEW not stored before it is acted on",
        _change(
            _CHANGING + "_enter", "out.persist.append(EnteredRecord(new_view=new_view, view_changes=changes))", "pass"
        ),
    ),
    _bug(
        "votes not restored after a crash",
        _change(_RULES + "_restore_votes", "vote.height > self._head.height", "False"),
        _change("consensus.restoring:_restore_accepted", "block is None or", "True or"),
    ),
    _bug(
        "prepared certificates not restored after a crash",
        _change(_RULES + "restore", "if record.certificate.header.height > self._head.height:", "if False:"),
    ),
    _bug(
        "VIEW-CHANGE not restored after a crash", _change(_RULES + "restore", "self._leave(record.view_change)", "pass")
    ),
    _bug(
        "B9 vote log cut above the appended head", _change("consensus.records:needed_records", "> head]", "> head + 1]")
    ),
    _bug(
        "vote log cut with the view that was entered",
        _change("consensus.records:needed_records", "data in {entered, left} or ", ""),
    ),
)

VIEWS = (
    _bug(
        "B1 VIEW-CHANGE without prepared certificates",
        _change(_RULES + "give_up", "tuple(self._prepared[height] for height in sorted(self._prepared))", "()"),
        _NO_OMISSION_CHECK,
    ),
    _bug(
        "VIEW-CHANGE omits the highest prepared height",
        _change(
            _RULES + "give_up", "for height in sorted(self._prepared))", "for height in sorted(self._prepared)[:-1])"
        ),
        _NO_OMISSION_CHECK,
    ),
    _bug(
        "VIEW-CHANGE built anew when it is resent",
        _change(
            _RULES + "view_change",
            "return self._view_change",
            "from msgspec.structs import replace\n"
            "    old = self._view_change\n"
            "    return old and self._signer.view_change(replace(old.payload, certificate=self._head_certificate))",
        ),
    ),
    _bug(
        "NEW-VIEW of q-1 view changes",
        _change(
            _VIEWS + "verify_new_view",
            "len(signers) != context.validators.quorum",
            "len(signers) != context.validators.quorum - 1",
        ),
        _change(
            _CHANGING + "consider",
            "quorum = replica.context.validators.quorum",
            "quorum = replica.context.validators.quorum - 1",
        ),
    ),
    _bug(
        "NEW-VIEW is not recomputed",
        _change(
            _VIEWS + "verify_new_view",
            "if (start.base, start.choices) != (payload.base, payload.choices):",
            "start = Start(\n"
            "        base=payload.base, certificate=start.certificate, choices=payload.choices, headers=()\n"
            "    )\n"
            "    if False:",
        ),
    ),
    _bug(
        "NEW-VIEW takes the certificate of the lowest view",
        _change(_VIEWS + "_rank", "prepared.view,", "-prepared.view,"),
    ),
    _bug(
        "NEW-VIEW keeps a block above a gap",
        _change(_VIEWS + "choose", "if header.parent != previous.digest:", "if False:"),
    ),
    _bug(
        "NEW-VIEW begins at the certificate of the highest view",
        _change(_VIEWS + "choose", "(item.height, item.digest)", "(item.view, item.height, item.digest)"),
    ),
    _bug(
        "NEW-VIEW forgets what was prepared",
        _change(_VIEWS + "choose", "if known is None or _rank(known) < _rank(prepared):", "if False:"),
    ),
    _bug(
        "view changes for several views make one NEW-VIEW",
        _change(
            _CHANGING + "consider",
            "here = replica.view_changes.get(replica.view, {})",
            "here = {}\n"
            "    for view in sorted(view for view in replica.view_changes if view >= replica.view):\n"
            "        here.update(replica.view_changes[view])",
        ),
        _change(
            _VIEWS + "verify_new_view",
            "(change.payload.era, change.payload.view) != (payload.era, payload.view)",
            "False",
        ),
    ),
    _bug(
        "prepared certificates in a VIEW-CHANGE are not verified",
        _change(
            _VIEWS + "verify_view_change",
            "prepared.verify(context.validators, primary=context.primary(prepared.view), chain_id=context.chain_id)",
            "pass",
        ),
    ),
    _bug(
        "B13 the wait for a NEW-VIEW has no end",
        _change(
            _CHANGING + "consider", "replica.timers.new_view_at = now.elapsed + replica.pace.view_timeout()", "pass"
        ),
    ),
    _bug(
        "nobody joins a view change",
        _change(
            _CHANGING + "_join",
            _FEW_WANT,
            "if True:",
        ),
    ),
    _bug(
        "one validator alone moves the view",
        _change(
            _CHANGING + "_join",
            _FEW_WANT,
            "if not wanted:",
        ),
    ),
    _bug(
        "B25 VIEW-CHANGE is sent once and never again",
        _change(
            "consensus.engine:Engine._resend",
            "if replica.safety.start is None and replica.safety.view_change is not None:",
            "if False:",
        ),
    ),
    _bug(
        "a late validator is not told of the view",
        _change(_CHANGING + "answer_with_new_view", "if replica.entered is not None:", "if False:"),
    ),
    _bug(
        "second VIEW-CHANGE of a liar hides the one that NEW-VIEW names",
        _change(_CHANGING + "on_view_change", "if known and not waiting:", "if known:"),
    ),
)

CATCHING_UP = (
    _bug(
        "next height only",
        _change(
            "consensus.finality:_blocks_up_to",
            "while height > replica.head.height:",
            "if height > replica.head.height + 1:\n        return []\n    while height > replica.head.height:",
        ),
    ),
    _bug(
        "blocks of an answer are not verified",
        _change("consensus.catch_up:take_in", "if certified.certificate is not None:", "if False:"),
    ),
    _bug(
        "B18 the subject of a certificate is not compared",
        _change("ledger.certificates:CommitCertificate.verify_for", "if got != expected:", "if False:"),
    ),
    _bug(
        "a certificate is believed without its signatures",
        _change(
            "consensus.finality:on_finality",
            "certificate.verify(replica.context.validators, chain_id=replica.context.chain_id)",
            "pass",
        ),
    ),
    _bug(
        "certificates mix eras",
        _change("consensus.finality:on_finality", "certificate.era != replica.context.era:", "False:"),
    ),
    _bug(
        "B14 nobody asks again for blocks",
        _change("consensus.replica:Question.is_due", "return now - self.at >= self.patience", "return False"),
    ),
    _bug(
        "B26 bodies are asked of the primary alone",
        _change("consensus.catch_up:ask_for_body", "to=first if before is None else None", "to=first"),
    ),
    _bug(
        "B15 a peer's claim is believed for ever",
        _change(
            "consensus.catch_up:ask_if_behind",
            "peer = (after or ready)[0]",
            "peer = max(ready, key=state.heads.__getitem__)",
        ),
    ),
)

BUGS = (*QUORUMS, *VOTES, *DURABILITY, *VIEWS, *CATCHING_UP)
