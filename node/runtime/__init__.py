"""The loop that carries out what the engines decide, and the duties that a validator has beside voting.

`node` puts one together; `application` is the chain as consensus orders it; `loop` carries effects out, durable first;
`holding` and `committee` are duties; `api` is all that the REST interface may call.
"""
