"""Which experts should stay on a device? Rules that decide it, to be replayed over the experts that a model has chosen.

A rule has slots for some of a layer's experts. For each token it is told which experts the layer has used. Those that have a
slot are hits. Then the rule may promote experts: they are uploaded behind the token, and take slots of others. Each promotion
costs the bytes of an expert on the link. Nothing here depends on an engine.
"""

from dataclasses import dataclass


class Lru:
    """The experts that were used last. Each miss is promoted. A token's best expert counts as its last one."""
    name = "LRU"

    def __init__(self, n_slots, n_experts):
        self.n_slots, self.resident, self.order = n_slots, set(), []

    def use(self, row):
        self.order = [expert for expert in self.order if expert not in row] + row[::-1]
        before, self.resident = self.resident, set(self.order[-self.n_slots:] if self.n_slots else [])
        return len(self.resident - before)


class Frequency:
    """The experts that were used most often; a use counts half after `half_life` tokens.

    An expert is promoted if its count is `margin` times that of the resident expert with the smallest count. At most `most`
    experts are promoted behind one token. A margin above 1 keeps two experts with like counts from taking turns.
    """
    name = "frequency"
    half_life, margin, most = 32, 1.0, 1 << 30

    def __init__(self, n_slots, n_experts):
        self.n_slots, self.resident, self.counts, self.unit = n_slots, set(), [0.0] * n_experts, 1.0

    def use(self, row):
        self.unit *= 2 ** (1 / self.half_life)  # New uses count more, rather than all old ones less.
        for expert in row:
            self.counts[expert] += self.unit
        promoted = 0
        for expert in sorted(set(row) - self.resident, key=lambda each: -self.counts[each]):
            if promoted == self.most or not self.has_room_for(expert):
                break
            self.resident.add(expert)
            promoted += 1
        return promoted

    def has_room_for(self, expert):
        """Frees the slot of the expert with the smallest count, if this one is worth it."""
        if len(self.resident) < self.n_slots:
            return True
        least = min(self.resident, key=lambda each: self.counts[each], default=None)
        if least is None or self.counts[expert] < self.margin * self.counts[least] or self.counts[expert] == self.counts[least]:
            return False
        self.resident.remove(least)
        return True


class SteadyFrequency(Frequency):
    """As Frequency, with few promotions: at most two for each token, and only of experts that are clearly better."""
    name = "steady frequency"
    half_life, margin, most = 16, 1.25, 2


class Belady:
    """The bound: it knows the future, and keeps the experts that are used again soonest."""
    name = "Belady"

    def __init__(self, n_slots, n_experts, rows):
        self.n_slots, self.resident, self.token = n_slots, set(), 0
        self.uses = [[] for _ in range(n_experts)]  # tokens that use an expert, the next one last
        for token in range(len(rows) - 1, -1, -1):
            for expert in rows[token]:
                self.uses[expert].append(token)

    def use(self, row):
        for expert in row:
            self.uses[expert].pop()
        keep = sorted(self.resident | set(row), key=lambda each: self.uses[each][-1] if self.uses[each] else 1 << 60)
        before, self.resident = self.resident, set(keep[:self.n_slots])
        return len(self.resident - before)


RULES = (Lru, Frequency, SteadyFrequency)


@dataclass(frozen=True)
class Replay:
    hits: float        # share of the choices
    promotions: float  # for each token


def replay(rule, rows):
    """The hits and promotions of a rule over the tokens of one layer, without the first quarter of the tokens."""
    hits = choices = promotions = 0
    for token, row in enumerate(rows):
        counts = token >= len(rows) // 4
        hits += counts * len(rule.resident & set(row))
        choices += counts * len(row)
        promoted = rule.use(row)
        promotions += counts * promoted
        assert len(rule.resident) <= rule.n_slots
    return Replay(hits / choices, promotions / (len(rows) - len(rows) // 4))


def replay_all(layers, n_slots, n_experts):
    """The mean over the layers of each rule's replay, by the rule's name."""
    result = {}
    for rule in (*RULES, Belady):
        each = [replay(rule(n_slots, n_experts, rows) if rule is Belady else rule(n_slots, n_experts), rows) for rows in layers]
        result[rule.name] = {"hits": round(sum(one.hits for one in each) / len(each), 4),
                             "promotions": round(sum(one.promotions for one in each) / len(each), 3)}
    return result
