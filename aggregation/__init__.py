"""From updates to a global model by exact integer arithmetic: the same bytes on every validator and for every auditor.

Start with `aggregate`, which turns a round's frozen inputs into a model file and a report; `blob_kinds` computes the
facts that validators sign; `deltas` is the participant's side. Buffers come in and bytes go out through callables:
nothing here opens a file, reads a clock or imports torch. No float reaches anything that is committed.
"""
