"""Routes of members: the validators of a height and their offences, participants, organisations."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from contracts import queries
from ledger.blocks import BlockHeader
from ledger.encoding import encode
from ledger.quantities import U63_MAX, Era, Height
from ledger.rendering import Plain
from ledger.validators import Validator, ValidatorSet
from node.rest import record_schemas
from node.rest.answers import gently, json_answer, plain_noun
from node.rest.context import Context
from node.rest.parameters import EraPath
from node.runtime.api import NodeApi
from node.storage.chain_reader import ChainReader
from node.storage.errors import NotAppended

router = APIRouter(prefix="/v1", tags=["members"])


@router.get("/validators", response_model=record_schemas.Validators)
async def validators(
    context: Context,
    height: Annotated[
        int | None, Query(ge=0, le=U63_MAX, description="A block that they decided.", examples=[9])
    ] = None,
) -> Response:
    """Read the validator set of an era, with the addresses that they have now."""
    api = context.api
    era, first, found = _current(api) if height is None else deciding_set(api.chain, Height(height))
    content: dict[str, Plain] = {
        "era": era,
        "first_height": first,
        "quorum": found.quorum,
        "validators": [_validator(api, member) for member in found.members],
    }
    return json_answer(api.height, content)


@router.get("/eras/{era}", response_model=record_schemas.Era)
async def era(context: Context, era: EraPath) -> Response:
    """Read the proof of an era's validator set: the canonical EraBoundary, in hexadecimal; era 0 is genesis's own."""
    chain = context.api.chain
    boundary = chain.era_boundary(Era(int(era)))
    content: dict[str, Plain] = {
        "era": int(era),
        "first_height": boundary.header.height + 1,
        "validators": [plain_noun(member) for member in boundary.members],
        "boundary": encode(boundary).hex(),
    }
    return json_answer(context.api.height, content)


@router.get("/participants", response_model=record_schemas.Participants)
async def participants(context: Context) -> Response:
    """All training sites by registry number."""
    height = context.api.height
    records = list(queries.participants(context.api.state))
    found: list[Plain] = [plain_noun(record) async for record in gently(records)]
    return json_answer(height, {"participants": found})


@router.get("/organisations", response_model=record_schemas.Organisations)
async def organisations(context: Context) -> Response:
    """All members of the consortium by name."""
    found: list[Plain] = [plain_noun(record) for record in queries.organisations(context.api.state)]
    return json_answer(context.api.height, {"organisations": found})


@router.get("/offences", response_model=record_schemas.Offences)
async def offences(context: Context) -> Response:
    """Read what validators are proven to have done, by era and validator; the evidence is in the transaction."""
    height = context.api.height
    records = list(queries.offences(context.api.state))
    found: list[Plain] = [plain_noun(record) async for record in gently(records)]
    return json_answer(height, {"offences": found})


def _current(api: NodeApi) -> tuple[Era, Height, ValidatorSet]:
    era, first = queries.era(api.state)
    return era, first, queries.validators(api.state)


def deciding_set(chain: ChainReader, height: Height) -> tuple[Era, Height, ValidatorSet]:
    """Return era, the era's first height, and the set that decided an appended block; raises NotAppended."""
    era = Era(_header(chain, height).era)
    found = chain.validator_set(era)
    assert found is not None, "the store keeps the set of every era"
    return era, chain.era_start(era), found


def _header(chain: ChainReader, height: Height) -> BlockHeader:
    header = chain.header(height)
    if header is None:
        chain.check_above_base(height)
        raise NotAppended("block", expected=f"a height from 0 to {chain.height()}", got=height)
    return header


def _validator(api: NodeApi, member: Validator) -> dict[str, Plain]:
    """Return a validator, with addresses if it still has these very keys."""
    seat = queries.seat(api.state, member.id)
    known = seat if seat is not None and seat.member == member else None
    return {
        **plain_noun(member),
        "link_address": None if known is None else known.link_address,
        "rest_url": None if known is None else known.rest_url,
    }
