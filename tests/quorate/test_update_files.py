"""An update that the SDK wrote, taken up by commands: inspected on the site, then sent from wherever the key is."""

from pathlib import Path

from ledger.hashing import sha256
from tests.participant.served import seeded_net, trained
from tests.quorate.commands import Commands
from tests.quorate.walk import Walk


def test_what_the_sdk_wrote_is_inspected_and_submitted(commands: Commands, walk: Walk, tmp_path: Path) -> None:
    name, file, layout = walk.served.open_task(invited=(0, 1)), tmp_path / "update.safetensors", tmp_path / "layout"
    layout.write_bytes(walk.served.prepared.layout_data)
    with walk.served.consortium(0, tmp_path / "state") as consortium:
        consortium.task(name).round().write_update(trained(seeded_net()), file)
    inspected = commands.data("update", "inspect", file, "--layout", layout)
    assert inspected["digest"] == sha256(file.read_bytes()).hex()
    about = ("--task", name, "--key", walk.served.sites[0], "--examples", "10")
    sent = commands.data("update", "submit", file, *about, *walk.node)
    assert (sent["round"], sent["accepted"]) == (1, True)
    body = commands.data("tx", sent["transaction"], *walk.node)["entry"]["signed"]["transaction"]["body"]
    assert (body["kind"], body["blob"], body["examples"]) == ("SubmitUpdate", inspected["digest"], 10)
