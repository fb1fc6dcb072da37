"""Links between validators: authenticated, encrypted, and blind to what they carry.

Each validator dials every other one and sends on the connection it dialled; what it receives comes on connections that
the others dialled. So every connection of messages runs one way, and no rule is needed for who dials whom. Blobs come
on connections of their own, so that a vote never queues behind a gigabyte. Nothing is sent again after a connection
breaks: consensus repeats what still matters. What is sent, in this order:

    step  who       messages                        blobs
    ----  --------  ------------------------------  ------------------------------
    1     both      TLS 1.3; each shows the certificate that the validator set records for it
    2     dialler   frame: Hello("messages", ...)   frame: Hello("blobs", ...)
    3     acceptor  frame: Hello, the same purpose and its own greeting
    4     dialler   frame, frame, ... for ever      frame: digest of the blob, 32 bytes
    5     acceptor  nothing                         frame: BlobAnswer(size, or none)
    6     acceptor                                  the blob's bytes, not framed
    7     dialler                                   closes, once it has them all

A frame is four bytes of big-endian length, then so many bytes. In TLS 1.3 a dialler has finished its handshake before
the acceptor has looked at its certificate, so a link counts as up only after step 3.
"""
