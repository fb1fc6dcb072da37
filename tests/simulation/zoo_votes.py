"""Bugs of the zoo in quorums, certificates, votes, and what must be durable before they leave."""

from tests.simulation.planting import ANY_NUMBER, CASE, CHANGING, RULES, TALLY, bug, change

QUORUMS = (
    bug("B2 quorum of 2f+1 where n is not 3f+1", change("ledger.quantities:quorum", "// 2 + 1", "// 2")),
    bug(
        "quorum of 2f",
        change(
            "ledger.quantities:quorum", "(validators + faulty_max(validators)) // 2 + 1", "2 * faulty_max(validators)"
        ),
    ),
    bug(
        "B2 commit certificate of a quorum less one",
        change(
            TALLY + "committed",
            "len(slot.commits) >= quorum]",
            "len(slot.commits) >= quorum - 1]",
            "quorum=quorum)",
            "quorum=quorum - 1)",
        ),
        ANY_NUMBER,
    ),
    bug(
        "prepared with one backup too few",
        change(
            TALLY + "prepared",
            "len(slot.prepares) < quorum - 1",
            "len(slot.prepares) < quorum - 2",
            "[: quorum - 1]",
            "[: quorum - 2]",
            "len(prepares) < quorum - 1",
            "len(prepares) < quorum - 2",
        ),
        ANY_NUMBER,
    ),
    bug(
        "the primary's own prepare counts",
        change(TALLY + "add", "vote.kind is VoteKind.PREPARE and who == primary", "False"),
        change("ledger.certificates:PreparedCertificate.verify", "if primary in signers", "if False"),
        change(
            RULES + "_propose",
            "self._signer.admit(vote)",
            "self._signer.admit(vote)\n"
            "    if kind is VoteKind.PRE_PREPARE:\n"
            "        self._signer.admit(self._vote(VoteKind.PREPARE, header.height, header.digest))",
        ),
    ),
    bug(
        "B5 one signer counted twice",
        change("ledger.certificates:_check_signers", "signers != sorted(set(signers))", "False"),
        change(
            "tests.simulation.byzantine:Liar._specific",
            "case Status():",
            "case Finality():\n"
            "            commits = message.certificate.commits\n"
            "            forged = replace(message.certificate, height=message.certificate.height + 1,"
            " digest=sha256(b'forged'), commits=(commits[0],) * len(commits))\n"
            "            return [replace(message, certificate=forged)]\n"
            "        case Status():",
        ),
        change("ledger.certificates:_verify_proof", "proof.verify(", "False and proof.verify("),
    ),
    bug(
        "certificate mixed over views",
        change(
            TALLY + "committed",
            "slot = self._slots[view, height]",
            "slot = self._slots[view, height]\n"
            "        for (_, other), more in self._slots.items():\n"
            "            if other == height:\n"
            "                slot.commits.update(more.commits)",
        ),
    ),
    bug(
        "signature cache that leaves the signature out",
        change(
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
    bug(
        "commit without a prepared certificate",
        change(
            RULES + "commit",
            "held is None or held.view != self._view or held.header.digest != vote.digest",
            "False",
        ),
        change(
            CASE + "_commit",
            "if certificate is None:\n            return\n",
            "if certificate is not None:\n",
            "        replica.safety.hold(certificate)",
            "            replica.safety.hold(certificate)",
            "        out.persist.append(PreparedRecord",
            "            out.persist.append(PreparedRecord",
        ),
    ),
    bug(
        "commit without the prefix rule",
        change(
            RULES + "may_commit",
            "return self._committed.get((self._view, Height(header.height - 1))) == header.parent",
            "return True",
        ),
    ),
    bug(
        "prefix from another view",
        change(
            RULES + "may_commit",
            "return self._committed.get((self._view, Height(header.height - 1))) == header.parent",
            "return header.parent in self._committed.values()",
        ),
    ),
    bug(
        "votes at or below the base",
        change(RULES + "_check_height", "self._head.height < self._start.base.height", "False"),
        change(
            "consensus.replica:Replica.may_vote",
            "start is not None and start.base.height <= self.head.height",
            "start is not None",
        ),
    ),
    bug(
        "votes in a view that was left",
        change(RULES + "_leave", "self._signer.drop()", "pass"),
    ),
    bug(
        "votes in a view that it has not entered",
        change(RULES + "_leave", "self._start = None", "pass"),
    ),
    bug(
        "a second proposal of one primary is accepted",
        change(
            TALLY + "add",
            "if earlier is None:\n            slot.pre_prepare",
            "if True:\n            slot.pre_prepare",
        ),
        change(CASE + "_assigned", "if allowed not in {None, cast[0]}:", "if False:"),
        change(
            CASE + "advance",
            "height not in replica.accepted and not _accept(replica, height, now, out)",
            "not _accept(replica, height, now, out) and height not in replica.accepted",
        ),
        change(RULES + "_propose", "if earlier is not None:", "if earlier == vote.digest:"),
    ),
    bug(
        "votes for another block than NEW-VIEW carried over",
        change(
            CASE + "_assigned",
            "allowed = replica.safety.proposed(height) if choice is None else choice.digest",
            "allowed = None",
        ),
        change(
            "consensus.replica:Replica.choice_at", "choices = () if start is None else start.choices", "choices = ()"
        ),
        change(RULES + "_propose", "choice.height == header.height and", "False and"),
        change(CASE + "_propose_fresh", "default=Height(0)", "default=Height(0)) * 0 if True else (0"),
    ),
    bug(
        "child of the block that ends an era prepared early",
        change(
            "consensus.replica:Follower.is_last",
            "return header.height > self.context.root.height and ends_era(header)",
            "return False",
        ),
        change(RULES + "_check_era", "if (header.era, header.validators) != expected:", "if False:"),
        change(CASE + "_check_place", "if got != expected:", "if False:"),
    ),
    bug(
        "bodies are not compared with their header",
        change("consensus.bodies:check_body", "if root != block.header.transactions_root:", "if False:"),
    ),
)

DURABILITY = (
    bug(
        "B6 votes leave before they are synced",
        change("tests.simulation.node:Disk.sync", "self.records += self.unsynced\n    self.unsynced = []", "pass"),
    ),
    bug(
        "body not stored before PREPARE",
        change(CASE + "_vote_for", "out.persist.append(BodyRecord(block=block))", "pass"),
    ),
    bug(
        "pre-prepare not stored before PREPARE",
        change(CASE + "_vote_for", "out.persist.append(PrePrepareRecord(vote=vote, proof=cast[1]))", "pass"),
    ),
    bug(
        "B7 prepared certificate not stored before COMMIT",
        change(CASE + "_commit", "out.persist.append(PreparedRecord(certificate=certificate))", "pass"),
    ),
    bug(
        "VIEW-CHANGE not stored before it is sent",
        change(CHANGING + "give_up", "out.persist.append(ViewChangeRecord(view_change=change))", "pass"),
    ),
    bug(
        "NEW-VIEW not stored before it is acted on",
        change(
            CHANGING + "_enter", "out.persist.append(EnteredRecord(new_view=new_view, view_changes=changes))", "pass"
        ),
    ),
    bug(
        "votes not restored after a crash",
        change(RULES + "_restore_votes", "vote.height > self._head.height", "False"),
        change("consensus.restoring:_restore_accepted", "block is None or", "True or"),
    ),
    bug(
        "prepared certificates not restored after a crash",
        change(RULES + "restore", "if record.certificate.header.height > self._head.height:", "if False:"),
    ),
    bug("VIEW-CHANGE not restored after a crash", change(RULES + "restore", "self._leave(record.view_change)", "pass")),
    bug(
        "B9 vote log cut above the appended head", change("consensus.records:needed_records", "> head]", "> head + 1]")
    ),
    bug(
        "vote log cut with the view that was entered",
        change("consensus.records:needed_records", "data in {entered, left} or ", ""),
    ),
)
