"""Twin of the kernel that joins pairs under constraints."""


def constrained_components(n, left, right, apart, near, far):
    """Take pairs as lists of tuples; give the smallest position of each one's set."""
    inner = [{i} for i in range(n)]
    outer = [{i} for i in range(n)]

    def join(sets, i, j):
        whole = sets[i] | sets[j]
        for k in whole:
            sets[k] = whole

    def clash(whole, pairs):
        return any(i in whole and j in whole for i, j in pairs)

    for i, j in near:
        join(outer, i, j)
    for i, j in zip(left, right, strict=True):
        if j in inner[i] or clash(inner[i] | inner[j], apart) or clash(outer[i] | outer[j], far):
            continue
        join(inner, i, j)
        join(outer, i, j)
    return [min(members) for members in inner]
