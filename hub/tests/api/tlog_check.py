"""Checks what a hub exported with aics-tlog, an implementation of C2SP's logs by others.

Reads a JSON object from standard input: the exported folder, log_key and witness_key, line_index and the hashes of
its inclusion proof, old_size, old_root and the hashes of a consistency proof, all hashes in base64. Prints what held,
one word a line; ends with an error at the first that does not.
"""

import base64
import json
import sys
from pathlib import Path

from aics_tlog import (
    FileSystemTileReader,
    leaf_hash,
    parse_checkpoint,
    parse_note,
    parse_vkey,
    read_entry,
    tree_root_from_tiles,
    verify_checkpoint,
    verify_consistency,
    verify_inclusion,
)


def main() -> None:
    """Checks what the hub exported, as told on standard input."""
    told = json.load(sys.stdin)
    folder = Path(told["folder"])
    text = (folder / "checkpoint").read_text(encoding="utf-8")
    note = parse_note(text)
    log, witness = parse_vkey(told["log_key"]), parse_vkey(told["witness_key"])
    held = verify_checkpoint(note, log, [witness], quorum=1)
    assert held.ok, held.error
    assert held.log_ok, held.error
    assert held.witnesses == [witness.name], held.error
    assert not verify_checkpoint(note, witness, [log], quorum=1).ok, "the keys exchanged"
    print("checkpoint")
    size, root = parse_checkpoint(note.text).size, held.root
    reader = FileSystemTileReader(folder)
    assert tree_root_from_tiles(reader, size) == root, "the tiles"
    print("tiles")
    index = told["line_index"]
    entry = read_entry(reader, index, size)
    proof = [base64.b64decode(one) for one in told["proof"]]
    assert verify_inclusion(leaf_hash(entry), index, size, proof, root), "inclusion"
    assert not verify_inclusion(leaf_hash(entry + b"x"), index, size, proof, root), "another leaf"
    print("inclusion")
    hashes = [base64.b64decode(one) for one in told["consistency"]]
    old_size, old_root = told["old_size"], base64.b64decode(told["old_root"])
    assert verify_consistency(old_size, size, old_root, root, hashes), "consistency"
    assert not verify_consistency(old_size, size, root, root, hashes), "another tree"
    print("consistency")


if __name__ == "__main__":
    main()
