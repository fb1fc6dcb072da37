"""The HTTP interface of a node: what callers may read, and the three signed ways in.

Routes are split by noun; each reads `node.runtime.api` on the event loop and answers with nouns as
`ledger.rendering.plain` gives them, or with canonical bytes. Every refusal is an RFC 9457 problem document made from
a class of the error tree. FastAPI and pydantic stay in this package.
"""
