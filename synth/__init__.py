"""synth: a corpus in, training triples for text embedders and rerankers out."""

__version__ = "0.1.0"
