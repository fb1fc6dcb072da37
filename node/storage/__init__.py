"""What a node keeps on disk: the chain, its votes, and the blobs beside the chain.

Everything here is synchronous, and survives being killed at any instant: `chain_store` appends a block in one atomic
synced write, `vote_log` makes a vote durable before it leaves, `blob_store` gives a blob its name only once it is
whole. plyvel is imported in `leveldb` alone; which thread calls is the runtime's decision.
"""
