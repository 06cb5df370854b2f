"""Trains the nets, quantises and exports them, writes the manifest."""
