"""Measuring models: retrieval, zero-shot classification, attributes, pitch."""
