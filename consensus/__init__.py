"""PBFT as a sans-IO state machine (Castro & Liskov, OSDI 1999), adapted to chained blocks.

It knows digests and validators, never models or HTTP. Messages and the time go into `engine.Engine`, `Effects` come
out; whoever runs it carries them out, durable first. `safety_rules` is the part that must be right: the only holder of
the vote key. `new_view` is the pure function that every view change rests on.
"""
