# SPDX-License-Identifier: MIT
"""networkx: makes graphs and runs classic algorithms on them."""

import networkx as nx
from ptm_bench_child import region

NODES = 1300


def main() -> None:
    graph = nx.barabasi_albert_graph(NODES, 4, seed=7)
    for a, b in graph.edges:
        graph[a][b]["weight"] = 1 + (a * 7 + b) % 13
    paths = dict(nx.single_source_dijkstra_path(graph, 0))
    assert len(paths) == NODES
    assert (
        nx.is_connected(graph) and nx.minimum_spanning_tree(graph).size() == NODES - 1
    )
    assert (
        max(nx.greedy_color(graph).values()) < 20 and nx.average_clustering(graph) < 1
    )
    assert max(nx.core_number(graph).values()) == 4
    centrality = nx.betweenness_centrality(graph, k=50, seed=3)
    communities = nx.community.label_propagation_communities(graph)
    assert len(centrality) == NODES and sum(len(c) for c in communities) == NODES
    digraph = nx.gn_graph(NODES * 4, seed=5)
    assert len(list(nx.topological_sort(digraph))) == NODES * 4
    assert nx.dag_longest_path_length(digraph) > 5


if __name__ == "__main__":
    with region():
        main()
