#!/bin/sh
# Homes of four validators on one host, by the very commands that four hosts would use; what is there already stays.
set -eu
cd "${1:-/var/lib/quorate}"
members="aldermoor birchfield castlewick dunmere"
number=0
for name in $members; do
    if [ ! -e "$name/descriptor.json" ]; then
        quorate node init --home "$name" --organisation "$name" \
            --link "127.0.0.1:$((7450 + 10 * number))" \
            --rest "127.0.0.1:$((7451 + 10 * number))" \
            --metrics "127.0.0.1:$((7452 + 10 * number))"
    fi
    number=$((number + 1))
done
if [ ! -e genesis.json ]; then
    quorate genesis assemble ./*/descriptor.json --chain compose --out genesis.json
fi
for name in $members; do
    if [ ! -e "$name/genesis.json" ]; then
        cp genesis.json "$name/genesis.json.new"
        mv "$name/genesis.json.new" "$name/genesis.json"
    fi
done
