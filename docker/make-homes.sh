#!/bin/sh
# Homes of four validators on one host, by the very commands that four hosts would use; does nothing if they exist.
set -eu
cd /var/lib/quorate
[ -e genesis.json ] && exit 0
number=0
for name in aldermoor birchfield castlewick dunmere; do
    quorate node init --home "$name" --organisation "$name" \
        --link "127.0.0.1:$((7450 + 10 * number))" \
        --rest "127.0.0.1:$((7451 + 10 * number))" \
        --metrics "127.0.0.1:$((7452 + 10 * number))"
    number=$((number + 1))
done
quorate genesis assemble ./*/descriptor.json --chain compose --out genesis.json
