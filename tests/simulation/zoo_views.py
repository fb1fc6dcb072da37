"""Bugs of the zoo in view changes and in catching up."""

from tests.simulation.planting import CHANGING, FEW_WANT, NEW_VIEW, NO_OMISSION_CHECK, RULES, bug, change

VIEWS = (
    bug(
        "B1 VIEW-CHANGE without prepared certificates",
        change(RULES + "give_up", "tuple(self._prepared[height] for height in sorted(self._prepared))", "()"),
        NO_OMISSION_CHECK,
    ),
    bug(
        "VIEW-CHANGE omits the highest prepared height",
        change(
            RULES + "give_up", "for height in sorted(self._prepared))", "for height in sorted(self._prepared)[:-1])"
        ),
        NO_OMISSION_CHECK,
    ),
    bug(
        "VIEW-CHANGE built anew when it is resent",
        change(
            RULES + "view_change",
            "return self._view_change",
            "from msgspec.structs import replace\n"
            "    old = self._view_change\n"
            "    return old and self._signer.view_change(replace(old.payload, certificate=self._head_certificate))",
        ),
    ),
    bug(
        "NEW-VIEW of q-1 view changes",
        change(
            NEW_VIEW + "verify_new_view",
            "len(signers) != context.validators.quorum",
            "len(signers) != context.validators.quorum - 1",
        ),
        change(
            CHANGING + "consider",
            "quorum = replica.context.validators.quorum",
            "quorum = replica.context.validators.quorum - 1",
        ),
    ),
    bug(
        "NEW-VIEW is not recomputed",
        change(
            NEW_VIEW + "verify_new_view",
            "if (start.base, start.choices) != (payload.base, payload.choices):",
            "start = Start(\n"
            "        base=payload.base, certificate=start.certificate, choices=payload.choices, headers=()\n"
            "    )\n"
            "    if False:",
        ),
    ),
    bug(
        "NEW-VIEW takes the certificate of the lowest view",
        change(NEW_VIEW + "_rank", "prepared.view,", "-prepared.view,"),
    ),
    bug(
        "NEW-VIEW keeps a block above a gap",
        change(NEW_VIEW + "choose", "if header.parent != previous.digest:", "if False:"),
    ),
    bug(
        "NEW-VIEW begins at the certificate of the highest view",
        change(NEW_VIEW + "choose", "(item.height, item.digest)", "(item.view, item.height, item.digest)"),
    ),
    bug(
        "NEW-VIEW forgets what was prepared",
        change(NEW_VIEW + "choose", "if known is None or _rank(known) < _rank(prepared):", "if False:"),
    ),
    bug(
        "view changes for several views make one NEW-VIEW",
        change(
            CHANGING + "consider",
            "here = replica.view_changes.get(replica.view, {})",
            "here = {}\n"
            "    for view in sorted(view for view in replica.view_changes if view >= replica.view):\n"
            "        here.update(replica.view_changes[view])",
        ),
        change(
            NEW_VIEW + "verify_new_view",
            "(change.payload.era, change.payload.view) != (payload.era, payload.view)",
            "False",
        ),
    ),
    bug(
        "prepared certificates in a VIEW-CHANGE are not verified",
        change(
            NEW_VIEW + "verify_view_change",
            "prepared.verify(context.validators, primary=context.primary(prepared.view), chain_id=context.chain_id)",
            "pass",
        ),
    ),
    bug(
        "B13 the wait for a NEW-VIEW has no end",
        change(CHANGING + "consider", "replica.timers.new_view_at = now.elapsed + replica.pace.view_timeout()", "pass"),
    ),
    bug(
        "nobody joins a view change",
        change(
            CHANGING + "_join",
            FEW_WANT,
            "if True:",
        ),
    ),
    bug(
        "one validator alone moves the view",
        change(
            CHANGING + "_join",
            FEW_WANT,
            "if not wanted:",
        ),
    ),
    bug(
        "B25 VIEW-CHANGE is sent once and never again",
        change(
            "consensus.engine:Engine._resend",
            "if replica.safety.start is None and replica.safety.view_change is not None:",
            "if False:",
        ),
    ),
    bug(
        "a late validator is not told of the view",
        change(CHANGING + "answer_with_new_view", "if replica.entered is not None:", "if False:"),
    ),
    bug(
        "second VIEW-CHANGE of a liar hides the one that NEW-VIEW names",
        change(CHANGING + "on_view_change", "if known and not waiting:", "if known:"),
    ),
)

CATCHING_UP = (
    bug(
        "next height only",
        change(
            "consensus.finality:_blocks_up_to",
            "while height > replica.head.height:",
            "if height > replica.head.height + 1:\n        return []\n    while height > replica.head.height:",
        ),
    ),
    bug(
        "blocks of an answer are not verified",
        change("consensus.catch_up:take_in", "if certified.certificate is not None:", "if False:"),
    ),
    bug(
        "B18 the subject of a certificate is not compared",
        change("ledger.certificates:CommitCertificate.verify_for", "if got != expected:", "if False:"),
    ),
    bug(
        "a certificate is believed without its signatures",
        change(
            "consensus.finality:on_finality",
            "certificate.verify(replica.context.validators, chain_id=replica.context.chain_id)",
            "pass",
        ),
    ),
    bug(
        "certificates mix eras",
        change("consensus.finality:on_finality", "certificate.era != replica.context.era:", "False:"),
        change(
            "consensus.receiving:_is_of_this_era",
            "if era is None or era == own:",
            "if era in {None, own} or isinstance(message, Finality | Proposal):",
        ),
    ),
    bug(
        "B14 nobody asks again for blocks",
        change("consensus.replica:Question.is_due", "return now - self.at >= self.patience", "return False"),
    ),
    bug(
        "bodies are forgotten with their view",
        change(
            "consensus.replica:Replica.leave_view",
            "self.catch_up.bodies.clear()",
            "self.catch_up.bodies.clear()\n    self.bodies = Bodies(self.context.window)",
        ),
    ),
    bug(
        "B15 a peer's claim is believed for ever",
        change(
            "consensus.catch_up:ask_if_behind",
            "peer = (after or ready)[0]",
            "peer = max(ready, key=state.heads.__getitem__)",
        ),
    ),
)
