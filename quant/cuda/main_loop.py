"""What the main loop of a kernel costs, from its machine code (cuobjdump -sass).

The main loop is the largest one. Much of it is for what a call seldom asks for:
other rules, the rotation, values that are not finite. So two numbers are made:
of all its instructions, and of the shortest way through it that makes as many
loads and stores as any way does.
"""

import re

# Bytes that a lane loads by "LDG.E.128" and its like.
_LOADS = {"128": 16, "64": 8, "U16": 2, "U8": 1}
_INSTRUCTION = re.compile(r"\s+/\*([0-9a-f]{4,})\*/\s+(@!?U?P\w+\s+)?([A-Z]\S*)(.*)")


def parse(lines):
    """Instructions as (address, predicated, opcode, operands)."""
    code = []
    for line in lines:
        found = _INSTRUCTION.match(line)
        if found and found.group(3) != "NOP":
            code.append((int(found.group(1), 16), found.group(2) is not None,
                         found.group(3), found.group(4)))
    return code


def _target(operands):
    found = re.search(r"0x([0-9a-f]+)", operands)
    return int(found.group(1), 16) if found else None


def _loaded(opcode):
    if not opcode.startswith("LDG"):
        return 0
    return _LOADS.get(opcode.split(".")[-1], 4)


def main_loop(code):
    """(instructions of the shortest way, of all, bytes loaded), or None."""
    # Jumps back from cold code behind the loop look like loops, but no way leads
    # to them from where they go.
    loops = [(address - _target(rest), _target(rest), address)
             for address, _, opcode, rest in code
             if opcode.startswith("BRA") and _target(rest) is not None
             and _target(rest) < address]
    for _, begin, end in sorted(loops, reverse=True):
        body = [one for one in code if begin <= one[0] <= end]
        way = _best_way(body)
        if way is not None:
            return way[1], len(body), way[2]
    return None


def _best_way(body):
    """(memory operations, instructions, bytes loaded) of the best way through."""
    # From the last instruction back: most memory operations, then fewest
    # instructions. Inner loops go once.
    best = {}
    following = None
    for address, predicated, opcode, rest in reversed(body):
        ways = []
        if following is None:
            ways.append((0, 0, 0))
        else:
            jumps = opcode.startswith("BRA")
            ends = opcode.startswith(("EXIT", "RET"))
            # BRA.DIV and its like go on where the warp has not diverged.
            if predicated or "." in opcode or not (jumps or ends):
                ways.append(best[following])
            if jumps and _target(rest) in best:
                ways.append(best[_target(rest)])
        found = [way for way in ways if way is not None]
        best[address] = None
        if found:
            operations, cost, loaded = max(found, key=lambda w: (w[0], -w[1]))
            best[address] = (operations + opcode.startswith(("LDG", "STG")),
                             cost + 1, loaded + _loaded(opcode))
        following = address
    return best[body[0][0]]
