"""Algorithms on graphs given as dictionaries of neighbours."""

import heapq
from collections import deque
from collections.abc import Hashable, Mapping, Sequence


def shortest_path(graph: Mapping[str, Mapping[str, float]], start: str, goal: str) -> tuple[float, list[str]] | None:
    """Find the cheapest path with Dijkstra's algorithm.

    Returns its cost and its nodes, or None where the goal cannot be reached. Weights must not be negative.
    """
    heap: list[tuple[float, str, list[str]]] = [(0.0, start, [start])]
    done: set[str] = set()
    while heap:
        cost, node, path = heapq.heappop(heap)
        if node == goal:
            return cost, path
        if node in done:
            continue
        done.add(node)
        for neighbour, weight in graph.get(node, {}).items():
            if neighbour not in done:
                heapq.heappush(heap, (cost + weight, neighbour, [*path, neighbour]))
    return None


def topological_order(dependencies: Mapping[str, Sequence[str]]) -> list[str]:
    """Order tasks so that each comes after those it depends on (Kahn's algorithm).

    Raises ValueError when the dependencies form a cycle.
    """
    nodes = set(dependencies) | {need for needs in dependencies.values() for need in needs}
    missing = {node: len(set(dependencies.get(node, ()))) for node in nodes}
    dependents: dict[str, list[str]] = {node: [] for node in nodes}
    for node, needs in dependencies.items():
        for need in set(needs):
            dependents[need].append(node)
    ready = deque(sorted(node for node, count in missing.items() if count == 0))
    order: list[str] = []
    while ready:
        node = ready.popleft()
        order.append(node)
        for dependent in sorted(dependents[node]):
            missing[dependent] -= 1
            if missing[dependent] == 0:
                ready.append(dependent)
    if len(order) < len(nodes):
        raise ValueError("the dependencies form a cycle")
    return order


def connected_components(edges: Sequence[tuple[Hashable, Hashable]]) -> list[set[Hashable]]:
    """Group the nodes of an undirected graph that can be reached from one another."""
    neighbours: dict[Hashable, set[Hashable]] = {}
    for left, right in edges:
        neighbours.setdefault(left, set()).add(right)
        neighbours.setdefault(right, set()).add(left)
    components: list[set[Hashable]] = []
    seen: set[Hashable] = set()
    for node in neighbours:
        if node in seen:
            continue
        component, stack = {node}, [node]
        while stack:
            fresh = neighbours[stack.pop()] - component
            component |= fresh
            stack.extend(fresh)
        seen |= component
        components.append(component)
    return components
